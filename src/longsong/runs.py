"""A trained run, from its folder: to predict with, to generate from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import streams
from longsong.config import CacheConfig, Device, Elementwise, choice, samples_in, whole
from longsong.errors import AudioError, ConfigError, RunError
from longsong.generated import GENERATED_SECONDS, Generated
from longsong.generation import generate_carry, generate_post, render
from longsong.model import Network
from longsong.model.fused import compiled_available
from longsong.places import find_shards
from longsong.training import checkpoint as checkpoints
from longsong.training.device import DTYPES, find_device
from longsong.training.record import RunRecord, read_record, read_summary
from longsong.training.splits import Splits
from longsong.units import human_seconds
from streams.storage import is_remote

__all__ = ["Mode", "Run", "Seed", "Which", "load_run"]

Mode = Literal["post", "carry"]
Which = Literal["best", "last"]

_MODES: dict[Mode, Callable[..., Iterator[torch.Tensor]]] = {"post": generate_post, "carry": generate_carry}

_STEPS_WORTH_COMPILING = 20_000
"""Steps of a generation from which on compiled loops gain more than the two seconds they take to make."""


@dataclass(frozen=True)
class Seed:
    """What a generation begins with.

    Attributes
    ----------
    frames : ndarray, shape (seq, frame), float32
        Normalised samples.
    origin : dict
        Where they are from, for ``generated.json``.
    """

    frames: NDArray[np.float32]
    origin: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes
    ----------
    folder : Path
    record : RunRecord
        What it was asked to be.
    network : Network
    parameters : Tensor, shape (network.size,)
        On `device`.
    which : {'best', 'last'}
        Which parameters these are.
    epoch : int
        After how many epochs they were so.
    device : torch.device
    """

    folder: Path
    record: RunRecord
    network: Network
    parameters: torch.Tensor
    which: Which
    epoch: int
    device: torch.device

    @torch.no_grad()
    def predict(self, inputs: ArrayLike) -> NDArray[np.floating[Any]]:
        """Predict the next frame at each step.

        Parameters
        ----------
        inputs : array-like, shape (batch, seq, frame)
            Normalised samples; any number of examples and any length of sequence.

        Returns
        -------
        ndarray, shape (batch, seq, frame)

        Raises
        ------
        ConfigError
            The shape is another one.
        """
        array = np.array(inputs, dtype=np.float64)
        frame = self.record.data.frame
        if array.ndim != 3 or array.shape[2] != frame or not array.size:
            raise ConfigError(f"inputs must have shape (batch, seq, {frame}), not {array.shape}")
        tensor = torch.from_numpy(array).to(self.parameters)
        named = self.network.named(self.parameters)
        return self.network.predict(named, tensor).cpu().numpy()

    def song_seed(self, example: int = 0, shards: Path | str | None = None, cache: CacheConfig | None = None) -> Seed:
        """Give an example of the dev split as a seed; of the train split, where there is no dev example.

        Parameters
        ----------
        example : int
            Which, counted from 0.
        shards : Path, str or None
            The folder or URL of the song's shards; None to look for the one that the run was trained on.
        cache : CacheConfig or None
            Where shards of a URL are kept; None for the user's own cache.

        Raises
        ------
        ConfigError
            There is no such example.
        streams.StreamsError
            The shards cannot be used.
        """
        whole("seed-example", example, 0)
        named = self.record.song["shards"]
        shards = shards or find_shards(named, self.folder.parent) or (named if is_remote(named) else None)
        if shards is None:
            raise RunError(
                f"the shards that {self.folder} was trained on, {named}, are not here; put them back, or say where "
                "they are (--shards)"
            )
        splits = Splits.open(shards, self.record.data, cache)
        if splits.song.digest != self.record.song["digest"]:
            raise RunError(
                f"{splits.song.where} holds another song than {self.folder} was trained on; put that song back"
            )
        source = "dev" if len(splits.dev) else "train"
        windows = splits.dev if len(splits.dev) else splits.train
        if example >= len(windows):
            raise ConfigError(
                f"seed-example is {example}, and the {source} split has {len(windows)} examples, counted from 0"
            )
        inputs, _ = windows.read(np.array([example]))
        start = windows.first_sample(example)
        origin = {
            "source": source,
            "example": example,
            "start": start,
            "stop": start + inputs[0].size,
            "file": None,
        }
        return Seed(inputs[0], origin)

    def wav_seed(self, path: Path) -> Seed:
        """Give the end of an audio file as a seed, so that what is generated continues it.

        Raises
        ------
        AudioError
            It cannot be read, or is shorter than a sequence.
        """
        from longsong.audio import read_mono

        rate, needed = self.record.song["sample_rate"], self.record.data.frame * self.record.data.seq
        samples = read_mono(path, rate)
        if len(samples) < needed:
            raise AudioError(
                f"{path} has {human_seconds(len(samples) / rate)}, and a seed of {self.record.data.seq} frames of "
                f"{self.record.data.frame} samples takes {human_seconds(needed / rate)}; give a longer file"
            )
        normaliser = streams.Normaliser(self.record.song["scale"], self.record.song["offset"])
        frames = np.empty((self.record.data.seq, self.record.data.frame), np.float32)
        normaliser.apply(samples[-needed:].reshape(frames.shape), frames)
        start = len(samples) - needed
        origin = {"source": "wav", "example": None, "start": start, "stop": len(samples), "file": path.name}
        return Seed(frames, origin)

    def generate(
        self,
        seconds: float = GENERATED_SECONDS,
        *,
        seed: Seed | None = None,
        mode: Mode = "post",
        on_samples: Callable[[int], None] | None = None,
    ) -> Generated:
        """Generate sound (P12 to P15).

        Parameters
        ----------
        seconds : float
            How much; the post's 30 s are 480,000 samples.
        seed : Seed or None
            What to begin with; None for the first dev example. It is not in the output (P13).
        mode : {'post', 'carry'}
            Feed back whole predicted sequences, or one frame and the state.
        on_samples : callable or None
            Called with the number of samples that are done, now and then.

        Raises
        ------
        ConfigError
            `seconds` or `mode` cannot be.
        NotFiniteError
            A prediction is not finite.
        """
        choice("mode", mode, Mode)
        if mode == "carry" and self.record.model.recurrence == "batch":
            raise ConfigError(
                "mode is 'carry', and this run's recurrence is over the mini-batch (D01), so that it has no state "
                "to carry along time; generate with --mode post"
            )
        seed = seed or self.song_seed()
        song, frame = self.record.song, self.record.data.frame
        samples = samples_in(seconds, song["sample_rate"])
        iterations = ceil(samples / frame)
        started = time.monotonic()
        pieces = _MODES[mode](
            self.network,
            self.parameters,
            torch.from_numpy(seed.frames.copy()).to(self.parameters)[None],
            iterations,
            elementwise=_elementwise(self.device, iterations + len(seed.frames)),
            on_frames=None if on_samples is None else lambda done: on_samples(min(int(done * frame), samples)),
        )
        rendered, level = render(
            torch.cat([piece[:, -1, 0] for piece in pieces]).cpu().numpy(),
            samples,
            scale=song["scale"],
            offset=song["offset"],
            sample_rate=song["sample_rate"],
        )
        record = {
            "mode": mode,
            "seconds": samples / song["sample_rate"],
            "samples": samples,
            "sample_rate": song["sample_rate"],
            "frame": frame,
            "seq": len(seed.frames),
            "iterations": iterations,
            "parameters": self.which,
            "epoch": self.epoch,
            "seed": seed.origin,
            "seed_in_output": False,
            "join": "last-frame",
            "stretched": False,
            **level.to_json(),
            "compute_seconds": time.monotonic() - started,
            "notes": level.notes(),
        }
        return Generated(rendered, level, record)


def _elementwise(device: torch.device, steps: int) -> Elementwise:
    """Choose how what is no matrix product is done in so many steps."""
    # Asked in this order: to know whether compiled loops can be had takes the time and memory of loading the compiler.
    worth = device.type == "cpu" and steps > _STEPS_WORTH_COMPILING
    return "compiled" if worth and compiled_available() is None else "plain"


def load_run(folder: Path | str, *, which: Which = "best", device: Device | None = None) -> Run:
    """Load a run whose training is complete.

    Parameters
    ----------
    folder : path
        The run's folder.
    which : {'best', 'last'}
        The parameters of the lowest dev cost (FACTS section 4), or the last.
    device : {'auto', 'cpu', 'cuda'} or None
        Where to compute; None for the device that it was trained on, or the CPU where that is not there.

    Raises
    ------
    RunError
        There is no such run, or its training is not complete.
    CheckpointError
        Its parameters are cut short or altered.
    """
    folder = Path(folder)
    choice("parameters", which, Which)
    record = read_record(folder)
    summary = read_summary(folder)
    if summary is None:
        raise RunError(f"{folder} is not trained to its end; start its training again, it goes on where it stopped")
    network = Network(record.model, record.data.frame)
    if which == "best":
        parameters = checkpoints.load_best(folder, network, summary["best"]["sha256"])
        epoch = summary["best"]["epoch"]
    else:
        latest = checkpoints.load_latest(folder / "checkpoints", network)
        if latest is None:
            raise RunError(f"{folder} has no checkpoint; train it again")
        parameters, epoch = latest.parameters, latest.epoch
    if device is None:
        device = "auto" if record.execution.device == "cuda" else "cpu"
    choice("device", device, Device)
    where = find_device(device)
    dtype = DTYPES[record.execution.precision]
    return Run(folder, record, network, parameters.to(where, dtype), which, epoch, where)
