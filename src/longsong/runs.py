"""A trained run, from its folder: to predict with, to generate from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import streams
from longsong.config import CacheConfig, Device, Join, Mode, Precision, choice, whole
from longsong.errors import AudioError, ConfigError, RunError
from longsong.generated import Generated
from longsong.generating import GENERATED_SECONDS, Generating, Seed, Sounds
from longsong.model import Network
from longsong.places import find_shards
from longsong.switches import TRAIN_SEED
from longsong.training import checkpoint as checkpoints
from longsong.training.device import DTYPES, find_device, require_precision
from longsong.training.record import RunRecord, read_record, read_summary
from longsong.training.splits import Splits
from longsong.units import human_seconds
from streams.storage import is_remote

__all__ = ["Run", "Which", "load_run"]

Which = Literal["best", "last"]
Split = Literal["dev", "train"]


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
    precision : {'float32', 'float64', 'bfloat16', 'tf32'}
        Of the parameters; with the last two they are float32, and operands of products are rounded.
    shards : Path, str or None
        The folder or URL of the song's shards; None to look for those that it was trained on.
    cache : CacheConfig or None
        Where shards of a URL are kept; None for the user's own cache.
    """

    folder: Path
    record: RunRecord
    network: Network
    parameters: torch.Tensor
    which: Which
    epoch: int
    device: torch.device
    precision: Precision
    shards: Path | str | None = None
    cache: CacheConfig | None = None

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

    def seed_for(self, how: Generating) -> Seed:
        """Give what a generation begins with by default: the first dev example; as coded, that of 2016 (D15)."""
        if "train-seed" not in how.as_coded:
            return self.song_seed()
        there = len(self.splits().train)
        if there <= TRAIN_SEED:
            raise ConfigError(
                f"as-coded is train-seed, example {TRAIN_SEED} of the train split, which has {there} examples; leave "
                "it out, or train on a longer song"
            )
        return self.song_seeds([TRAIN_SEED], split="train")[0]

    def song_seed(self, example: int = 0) -> Seed:
        """Give an example of the dev split as a seed; as `song_seeds`."""
        return self.song_seeds([example])[0]

    def song_seeds(
        self,
        examples: Sequence[int] = (0,),
        *,
        spread: int | None = None,
        split: Split = "dev",
    ) -> list[Seed]:
        """Give examples of the dev split as seeds; of the train split, where there is no dev example.

        Parameters
        ----------
        examples : sequence of int
            Which, counted from 0.
        spread : int or None
            In place of `examples` so many, spread evenly over the split.
        split : {'dev', 'train'}

        Raises
        ------
        ConfigError
            There is no such example, or there are fewer than are to be spread.
        streams.StreamsError
            The shards cannot be used.
        """
        for example in examples:
            whole("seed-example", example, 0)
        if spread is not None:
            whole("seed-spread", spread)
        choice("split", split, Split)
        splits = self.splits()
        source = split if len(splits.dev) else "train"
        windows = splits.dev if source == "dev" else splits.train
        if spread is not None:
            if spread > len(windows):
                raise ConfigError(f"seed-spread is {spread}, and the {source} split has {len(windows)} examples")
            examples = [number * len(windows) // spread for number in range(spread)]
        if (most := max(examples)) >= len(windows):
            raise ConfigError(
                f"seed-example is {most}, and the {source} split has {len(windows)} examples, counted from 0"
            )
        seeds = []
        for example in examples:
            inputs, _ = windows.read(np.array([example]))
            start = windows.first_sample(example)
            origin = {
                "source": source,
                "example": example,
                "start": start,
                "stop": start + inputs[0].size,
                "file": None,
            }
            seeds.append(Seed(inputs[0], origin))
        return seeds

    def splits(self) -> Splits:
        """Open the song that the run was trained on, and lay its examples out.

        Raises
        ------
        RunError
            The shards are not here, or hold another song.
        streams.StreamsError
            The shards cannot be used.
        """
        named = self.record.song["shards"]
        shards = self.shards or find_shards(named, self.folder.parent) or (named if is_remote(named) else None)
        if shards is None:
            raise RunError(
                f"the shards that {self.folder} was trained on, {named}, are not here; put them back, or say where "
                "they are (--shards)"
            )
        splits = Splits.open(shards, self.record.data, self.cache)
        if splits.song.digest != self.record.song["digest"]:
            raise RunError(
                f"{splits.song.where} holds another song than {self.folder} was trained on; put that song back"
            )
        return splits

    def wav_seed(self, path: Path, *, whole: bool = False, mode: Mode = "post") -> Seed:
        """Give the end of an audio file as a seed, so that what is generated continues it.

        Parameters
        ----------
        path : Path
        whole : bool
            Give all of its frames, but for the samples at its beginning that are less than one; else a sequence.
        mode : {'post', 'carry'}
            What it is for. With carried state all of it may be as short as one frame.

        Raises
        ------
        AudioError
            It cannot be read, or is shorter than a sequence.
        """
        from longsong.audio import read_mono

        rate, frame = self.record.song["sample_rate"], self.record.data.frame
        frames = 1 if whole and mode == "carry" else self.record.data.seq
        needed = frame * frames
        samples = read_mono(path, rate)
        if len(samples) < needed:
            raise AudioError(
                f"{path} has {human_seconds(len(samples) / rate)}, and a seed of {frames} frames of "
                f"{frame} samples takes {human_seconds(needed / rate)}; give a longer file"
            )
        if whole:
            needed = len(samples) // frame * frame
        normaliser = streams.Normaliser(self.record.song["scale"], self.record.song["offset"])
        normalised = np.empty((needed // frame, frame), np.float32)
        normaliser.apply(samples[-needed:].reshape(normalised.shape), normalised)
        start = len(samples) - needed
        origin = {"source": "wav", "example": None, "start": start, "stop": len(samples), "file": path.name}
        return Seed(normalised, origin)

    def generate(
        self,
        seconds: float = GENERATED_SECONDS,
        *,
        seed: Seed | None = None,
        mode: Mode = "post",
        join: Join = "last-frame",
        on_samples: Callable[[int], object] | None = None,
    ) -> Generated:
        """Generate a sound (P12 to P15).

        Parameters
        ----------
        seconds, mode, join
            As for `longsong.generating.Generating`.
        seed : Seed or None
            What to begin with; None for the first dev example. It is not in the output (P13).
        on_samples : callable or None
            Called with the number of samples that are done, now and then.

        Raises
        ------
        ConfigError
            `seconds`, `mode` or `join` cannot be.
        NotFiniteError
            A prediction is not finite.
        """
        how = Generating(seconds, mode, join)
        (generated,) = self.generate_many([seed or self.seed_for(how)], how, on_samples=on_samples)
        return generated

    def generate_many(
        self, seeds: Sequence[Seed], how: Generating, *, on_samples: Callable[[int], object] | None = None
    ) -> list[Generated]:
        """Generate a sound from each of several seeds, side by side; as `generate`."""
        sounds = self.sounds(seeds, how, on_samples=on_samples)
        pieces = np.concatenate(list(sounds), axis=1)
        return [Generated(samples, sounds.level(n), sounds.record(n)) for n, samples in enumerate(pieces)]

    def sounds(
        self, seeds: Sequence[Seed], how: Generating, *, on_samples: Callable[[int], object] | None = None
    ) -> Sounds:
        """Give sounds that are generated side by side, piece by piece, as they are asked for."""
        return Sounds(self, seeds, how, on_samples)


def load_run(
    folder: Path | str,
    *,
    which: Which = "best",
    device: Device | None = None,
    precision: Precision | None = None,
    shards: Path | str | None = None,
    cache: CacheConfig | None = None,
) -> Run:
    """Load a run whose training is complete.

    Parameters
    ----------
    folder : path
        The run's folder.
    which : {'best', 'last'}
        The parameters of the lowest dev cost (FACTS section 4), or the last.
    device : {'auto', 'cpu', 'cuda'} or None
        Where to compute; None for the device that it was trained on, or the CPU where that is not there.
    precision : {'float32', 'float64', 'bfloat16', 'tf32'} or None
        What to compute in; None for what it was trained in, or float32 where there is no TF32.
    shards, cache
        As of `Run`.

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
    if precision is None:
        precision = record.execution.precision
        if precision == "tf32" and where.type != "cuda":
            precision = "float32"  # there are no such products here, and these are no worse
    choice("precision", precision, Precision)
    require_precision(precision, where)
    return Run(
        folder, record, network, parameters.to(where, DTYPES[precision]), which, epoch, where, precision, shards, cache
    )
