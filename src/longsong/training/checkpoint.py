"""Checkpoints: parameters, optimiser and position, whole or not at all (safetensors and JSON)."""

from __future__ import annotations

import hashlib
import reprlib
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from longsong.errors import CheckpointError
from longsong.files import os_errors_named, sync_folder, write_bytes
from longsong.model import Network
from longsong.training.checkpoint_files import (
    BEST,
    OPTIMISER,
    PARAMETERS,
    REMEDY,
    best_file,
    checkpoint_folders,
    read_state,
    remove_older,
    write_best_record,
    write_state,
)

__all__ = [
    "Best",
    "Checkpoint",
    "Packed",
    "best_file",
    "load_best",
    "load_latest",
    "load_parameters",
    "pack",
    "tensors_to_bytes",
]


@dataclass(frozen=True)
class Best:
    """The best parameters so far.

    Attributes
    ----------
    epoch : int
        After which they were; 0 where there are none yet.
    dev_cost : float or None
        Their dev cost; None where there is no dev example.
    sha256 : str
        Of ``best.safetensors``.
    """

    epoch: int = 0
    dev_cost: float | None = None
    sha256: str = ""


@dataclass
class Checkpoint:
    """All that a run needs to go on as if it had not stopped.

    Attributes
    ----------
    song_digest : str
        Of the song that it was trained on.
    parameters, mean_square : Tensor, shape (size,)
        The parameters, and RMSProp's running mean of squares.
    learning_rate : float
        Of the next update.
    update, epoch : int
        Updates made, and epochs completed.
    train_stream, dev_stream : dict
        States of the streams (`streams.DataStream.state_dict`). Their seed and epoch are the whole of the
        random state: nothing else is drawn after the initial parameters.
    metrics_bytes : int
        Length of ``metrics.jsonl`` at this point.
    metrics_sha256 : str
        Of as much of it; empty in checkpoints of before 2026-11-23.
    training_seconds : float
        Spent so far, over all starts.
    starts : int
        How often the run was started.
    best : Best
    """

    song_digest: str
    parameters: Tensor
    mean_square: Tensor
    learning_rate: float
    update: int = 0
    epoch: int = 0
    train_stream: dict[str, Any] = field(default_factory=dict)
    dev_stream: dict[str, Any] = field(default_factory=dict)
    metrics_bytes: int = 0
    metrics_sha256: str = ""
    training_seconds: float = 0.0
    starts: int = 1
    best: Best = field(default_factory=Best)


def tensors_to_bytes(network: Network, flat: Tensor) -> bytes:
    """Give the parameters of a flat vector by name, as the bytes of a safetensors file."""
    from safetensors.torch import save as to_bytes

    named = network.named(flat.detach().cpu())
    return to_bytes({name: tensor.contiguous() for name, tensor in named.items()})


def load_parameters(path: Path, network: Network, sha256: str | None = None) -> Tensor:
    """Read a flat vector, shape (size,), from a safetensors file of named parameters.

    Parameters
    ----------
    path : Path
        The file.
    network : Network
        Whose parameters they must be, in name and shape.
    sha256 : str or None
        What the file's digest must be.

    Raises
    ------
    CheckpointError
        The file is missing, cut short, altered, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); train the run again") from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(
            f"{path} ({len(content)} bytes) is cut short or altered: its sha256 is not the one on record; {REMEDY}"
        )
    try:
        named = load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} ({len(content)} bytes) is cut short or altered: {_short(error)}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in named.items()}
    if shapes != network.shapes:
        odd = sorted(n for n in shapes.keys() | network.shapes if shapes.get(n) != network.shapes.get(n))
        raise CheckpointError(
            f"{path} is of another network: {odd[0]} has shape {shapes.get(odd[0])} there and "
            f"{network.shapes.get(odd[0])} here; give the run's own configuration"
        )
    return network.flat(named)


def _short(error: Exception) -> str:
    """Give what an error says, of which a file may have chosen the words, in one line of bounded length."""
    return reprlib.repr(str(error))


@dataclass(frozen=True)
class Packed:
    """A checkpoint as bytes: what it was made of may change.

    Attributes
    ----------
    update : int
        After which it was made.
    state : dict
        What is in ``state.json``, but for digests.
    contents : dict of str to bytes
        Of ``parameters.safetensors`` and ``optimiser.safetensors``.
    best : bool
        Whether its parameters are the best so far.
    """

    update: int
    state: dict[str, Any]
    contents: dict[str, bytes]
    best: bool

    def write(self, folder: Path, keep: int = 1) -> str:
        """Write it into `folder`, as a folder that appears whole, and remove older ones.

        Parameters that are the best so far are written as those before that, so that no checkpoint speaks of best
        parameters that are not there; and before them, which they are.

        Parameters
        ----------
        folder : Path
        keep : int
            How many of the newest checkpoints stay.

        Returns
        -------
        str
            The sha256 of the best parameters.

        Raises
        ------
        longsong.errors.SpaceError, longsong.errors.RunError
            The disk is full, or may not be written to; the checkpoint before is kept.
        """
        folder.mkdir(parents=True, exist_ok=True)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in self.contents.items()}
        best = self.state["best"] | ({"sha256": digests[PARAMETERS]} if self.best else {})
        if self.best:
            write_best_record(folder, best)
            write_bytes(folder / BEST, self.contents[PARAMETERS])
        state = self.state | {"best": best, "sha256": digests}
        target = folder / f"update-{self.update:08d}"
        if not target.exists():  # else resumed there, and stopped again before the next update
            self._write_folder(target, state)
        remove_older(folder, keep)
        return str(best["sha256"])

    def _write_folder(self, target: Path, state: dict[str, Any]) -> None:
        folder = target.parent
        partial = folder / f".{target.name}.partial"
        try:
            with os_errors_named(target):
                for stale in folder.glob(".update-*.partial"):  # of a process that was killed
                    shutil.rmtree(stale, ignore_errors=True)
                partial.mkdir()
                for name, content in self.contents.items():
                    write_bytes(partial / name, content)
                write_state(partial, state)
                partial.replace(target)
                sync_folder(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def pack(network: Network, checkpoint: Checkpoint, *, best_sha256: str | None = None) -> Packed:
    """Turn a checkpoint into bytes.

    Parameters
    ----------
    network : Network
    checkpoint : Checkpoint
    best_sha256 : str or None
        The digest of the best parameters; None where those of the checkpoint are the best.
    """
    vectors = {PARAMETERS: checkpoint.parameters, OPTIMISER: checkpoint.mean_square}
    state = {k: v for k, v in vars(checkpoint).items() if k not in ("parameters", "mean_square")}
    state["best"] = asdict(checkpoint.best) | {"sha256": best_sha256 or ""}
    contents = {name: tensors_to_bytes(network, flat) for name, flat in vectors.items()}
    return Packed(checkpoint.update, state, contents, best_sha256 is None)


def load_latest(folder: Path, network: Network) -> Checkpoint | None:
    """Read the newest checkpoint in `folder`; None where there is none.

    Raises
    ------
    CheckpointError
        It is cut short, altered, of another network, or written by a newer version.
    """
    folders = checkpoint_folders(folder)
    if not folders:
        return None
    newest = folders[-1]
    state = read_state(newest)
    digests, best = state.pop("sha256"), state.pop("best")
    parameters, mean_square = (
        load_parameters(newest / name, network, digests[name]) for name in (PARAMETERS, OPTIMISER)
    )
    try:
        return Checkpoint(parameters=parameters, mean_square=mean_square, best=Best(**best), **state)
    except TypeError as error:
        raise CheckpointError(f"{newest / 'state.json'} is altered ({error}); {REMEDY}") from error


def load_best(run: Path, network: Network, sha256: str | None = None) -> Tensor:
    """Read a run's best parameters, shape (size,); raises as `load_parameters`."""
    return load_parameters(best_file(run), network, sha256)
