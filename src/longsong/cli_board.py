"""The command that shows runs in TensorBoard."""

from __future__ import annotations

import argparse
import contextlib
import threading

from longsong.arguments import local
from longsong.board import PORT, start_board

__all__ = ["add_board", "board"]


def add_board(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong board`."""
    add = parser.add_argument
    add("runs", type=local, metavar="RUNS", help="folder of runs, such as runs/")
    add("--port", type=int, default=PORT, metavar="N", help="0 for any that is free (default: %(default)s)")


def board(a: argparse.Namespace) -> None:
    """Start TensorBoard, say where it is, and wait until the user stops it."""
    address = start_board(a.runs, a.port)
    print(f"TensorBoard is at {address}; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
