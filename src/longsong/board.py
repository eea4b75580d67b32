"""TensorBoard on a folder of runs, for this machine alone."""

from __future__ import annotations

import socket
from pathlib import Path

from longsong.config import whole
from longsong.errors import ConfigError, LongsongError, RunError

__all__ = ["PORT", "start_board"]

PORT = 6006
"""Where TensorBoard is found by habit."""

_HOST = "127.0.0.1"
_EVENTS = "events.out.tfevents.*"


def start_board(runs: Path, port: int = PORT) -> str:
    """Start TensorBoard; it runs in threads of this process, and ends with it.

    Parameters
    ----------
    runs : Path
        Folder of runs, at any depth, or of one. Runs that are made, or go on, while it is shown are shown too.
    port : int
        Where it listens, on the loopback address alone; 0 for one that is free.

    Returns
    -------
    str
        Its address, such as ``http://127.0.0.1:6006/``.

    Raises
    ------
    RunError
        There is no such folder, or no run in it.
    ConfigError
        The port cannot be, or is taken.
    LongsongError
        TensorBoard is not installed, or lacks a package itself.
    """
    whole("port", port, least=0, most=0xFFFF)
    if not runs.is_dir():
        raise RunError(f"there is no folder {runs}; give a folder of runs, such as runs/")
    if next(runs.rglob(_EVENTS), None) is None:
        raise RunError(f"{runs} holds no run ({_EVENTS} is nowhere in it); give a folder of runs, such as runs/")
    _require_free(port)
    try:
        from tensorboard.program import TensorBoard, TensorBoardServerException

        board = TensorBoard()
    except ImportError as error:
        raise LongsongError(f"TensorBoard cannot be started ({error}); pip install --upgrade tensorboard") from error
    # Read by TensorBoard's own Python: the other reader, a program beside it, is not on every machine, and begins with
    # a warning that names an option of another command.
    board.configure(logdir=str(runs.resolve()), host=_HOST, port=port, load_fast="false")
    try:
        return str(board.launch())
    except TensorBoardServerException as error:
        raise _cannot_be_had(port, error.msg) from error


def _require_free(port: int) -> None:
    """Raise `ConfigError` where nothing can listen: the server would print a word of its own and exit with 1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: it may have ended just now
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise _cannot_be_had(port, error.strerror or str(error)) from error


def _cannot_be_had(port: int, reason: str) -> ConfigError:
    return ConfigError(f"port is {port}, and cannot be had ({reason}); give another --port, or 0 for any that is free")
