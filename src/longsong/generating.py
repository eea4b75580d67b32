"""How sound is generated from a run, and the sounds that come, piece by piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from longsong.config import Elementwise, Join, Mode, Switch, choice, samples_in
from longsong.errors import ConfigError
from longsong.generation import Crossfade, Joining, LastFrame, Level, Renderer, generate_carry, generate_post
from longsong.generation.as_coded import UpsideDown, iterations, linear_maps, recurrent, stretched
from longsong.generation.guards import Guard, clip, hold_level
from longsong.model.fused import STEPS_WORTH_COMPILING, compiled_available, products_of

if TYPE_CHECKING:
    from longsong.runs import Run

__all__ = ["GENERATED_SECONDS", "Generating", "Seed", "Sounds"]

GENERATED_SECONDS = 30.0
"""The fixed length that the post generates (P15)."""

_STRETCHED = (-3000.0, 3000.0)
"""The range that the later script of 2016 stretched to (D13), in units of int16."""

_OF_WHOLE_SEQUENCES = {"untrained", "whole-sequences", "upside-down"}
"""Switches that need whole predicted sequences, one after the other."""

_JOININGS: dict[Join, Callable[[], Joining]] = {"last-frame": LastFrame, "crossfade": Crossfade}


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
class Generating:
    """How to generate.

    Attributes
    ----------
    seconds : float
        How much; the post's 30 s are 480,000 samples (P15).
    mode : {'post', 'carry'}
        Feed back whole predicted sequences (P12), or one frame and the state.
    join : {'last-frame', 'crossfade'}
        Put predicted frames end to end (P14), or have the sound so far go on into each (no ticks).
    clip : bool
        Keep predictions in the range of the song, before they are given and fed back.
    hold_level : bool
        Keep the level of predicted frames near that of the seed, likewise.
    as_coded : tuple of str
        What is done as the 2016 scripts did it (`longsong.generation.as_coded`).
    """

    seconds: float = GENERATED_SECONDS
    mode: Mode = "post"
    join: Join = "last-frame"
    clip: bool = False
    hold_level: bool = False
    as_coded: tuple[Switch, ...] = ()

    def __post_init__(self) -> None:
        choice("mode", self.mode, Mode)
        choice("join", self.join, Join)
        for switch in self.as_coded:
            choice("as-coded", switch, Switch)
        if self.as_coded and (self.mode, self.join, self.guards) != ("post", "last-frame", []):
            raise ConfigError(
                f"as-coded is {', '.join(self.as_coded)}, which is of the post's way alone; leave out other modes, "
                "joins and guard rails"
            )

    @property
    def guards(self) -> list[str]:
        """Names of the guard rails that are on."""
        return [name for name, on in (("clip", self.clip), ("hold-level", self.hold_level)) if on]


class Sounds:
    """Sounds that are generated side by side from several seeds.

    Each iteration over it generates them anew.

    Parameters
    ----------
    run : Run
    seeds : sequence of Seed
        One or more, of one length.
    how : Generating
    on_samples : callable or None
        Called with the number of samples of each sound that are done, now and then.

    Attributes
    ----------
    run : Run
    samples, sample_rate : int
        Of each sound; the rate in Hz.

    Raises
    ------
    ConfigError
        There is no seed, seeds are of different lengths, or the run cannot generate like that.
    """

    def __init__(
        self,
        run: Run,
        seeds: Sequence[Seed],
        how: Generating,
        on_samples: Callable[[int], object] | None = None,
    ) -> None:
        if run.record.model.recurrence == "batch" and how.mode == "carry":
            raise ConfigError(
                "mode is 'carry', and this run's recurrence is over the mini-batch (D01), so that it has no state "
                "to carry along time; generate with --mode post"
            )
        lengths = sorted({len(seed.frames) for seed in seeds})
        if len(lengths) != 1:
            raise ConfigError(f"seeds have {lengths or 'no'} frames; give one or more of the same length")
        if "train-seed" in how.as_coded and any(seed.origin["source"] != "train" for seed in seeds):
            raise ConfigError(
                "as-coded is train-seed, which begins with an example of the train split, and another seed is given; "
                "leave out one of them"
            )
        if how.as_coded and len(seeds) > 1:
            raise ConfigError(f"as-coded is of one sound at a time, and {len(seeds)} are asked for; ask for one")
        self.run, self._seeds, self._how, self._on_samples = run, list(seeds), how, on_samples
        self.sample_rate: int = run.record.song["sample_rate"]
        self.samples = samples_in(how.seconds, self.sample_rate)
        self._frame = run.record.data.frame
        self.frames = ceil(self.samples / self._frame)
        if "whole-sequences" in how.as_coded:
            self.samples = self.frames * lengths[0] * self._frame  # its true length
        self._begin()

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        """Give the next samples of all, shape (seeds, some), int16, until there are `samples`.

        Raises
        ------
        NotFiniteError
            A prediction is not finite.
        """
        self._begin()
        run, joining = self.run, _JOININGS[self._how.join]()
        frames = torch.from_numpy(np.stack([seed.frames for seed in self._seeds])).to(run.parameters)
        if self._how.as_coded:
            yield from self._as_coded(frames[0])
            return
        generate = generate_post if self._how.mode == "post" else generate_carry
        settings = self._settings(self.frames, frames.shape[1]) | {"guard": self._guard(frames)}
        for piece in generate(run.network, run.parameters, frames, self.frames, **settings):
            joined = joining.join(piece.transpose(0, 1).cpu().numpy())
            rendered = [renderer.render(sound) for renderer, sound in zip(self._renderers, joined, strict=True)]
            self._ended = time.monotonic()
            yield np.stack(rendered)

    def level(self, number: int) -> Level:
        """Give the level of a sound, as far as it is generated."""
        return self._renderers[number].level

    def record(self, number: int) -> dict[str, Any]:
        """Say how a sound was made, as far as it is, for ``generated.json``."""
        run, seed, level = self.run, self._seeds[number], self.level(number)
        done = self._renderers[number].done
        return {
            "mode": self._how.mode,
            "seconds": done / self.sample_rate,
            "samples": done,
            "sample_rate": self.sample_rate,
            "frame": self._frame,
            "seq": len(seed.frames),
            "iterations": self._iterations(done, len(seed.frames)),
            "parameters": run.which,
            "epoch": run.epoch,
            "precision": run.precision,
            "seed": seed.origin,
            "seed_in_output": False,
            "join": self._how.join,
            "stretched": "stretch" in self._how.as_coded,
            "guards": self._how.guards,
            "as_coded": list(self._how.as_coded),
            "stopped": done < self.samples,
            **level.to_json(),
            "compute_seconds": (self._ended or time.monotonic()) - self._started,
            "side_by_side": len(self._seeds),
            "notes": level.notes(),
        }

    def _begin(self) -> None:
        song = self.run.record.song
        self._started, self._ended = time.monotonic(), 0.0
        settings: dict[str, Any] = {"scale": song["scale"], "offset": song["offset"], "sample_rate": self.sample_rate}
        self._renderers: list[Renderer] = [Renderer(self.samples, **settings) for _ in self._seeds]

    def _as_coded(self, seed: torch.Tensor) -> Iterator[NDArray[np.int16]]:
        """Generate as the 2016 scripts did, in what is switched on."""
        on = set(self._how.as_coded)
        # What the last frames alone are heard of, and fed back as it is, is the post's way: the wavefront.
        iterate = self._sequences if on & _OF_WHOLE_SEQUENCES else self._last_frames
        dropped = self._dropped(len(seed))
        frames: Iterator[torch.Tensor] = islice(iterate(seed, dropped + self.frames), dropped, None)
        if "stretch" in on:
            every = torch.cat(list(frames)).cpu()
            self._renderers = [Renderer(self.samples, scale=1.0, offset=0.0, sample_rate=self.sample_rate)]
            samples = every.view(-1)[: self.samples].double()
            # One that is not finite would make all of them so, and nobody would know since when.
            finite = bool(samples.isfinite().all())
            frames = iter([stretched(samples, *_STRETCHED) if finite else samples])
        for some in frames:
            rendered = self._renderers[0].render(some.cpu().numpy())[None]
            self._ended = time.monotonic()
            yield rendered

    def _last_frames(self, seed: torch.Tensor, number: int) -> Iterator[torch.Tensor]:
        """Give the last frames, each of shape (1, frame), of so many iterations."""
        settings = self._settings(number, len(seed))
        for piece in generate_post(self.run.network, self.run.parameters, seed[None], number, **settings):
            yield from piece

    def _sequences(self, seed: torch.Tensor, number: int) -> Iterator[torch.Tensor]:
        """Give what is heard of each of so many iterations, one after the other: (seq or 1, frame)."""
        run, on = self.run, set(self._how.as_coded)
        if "untrained" in on:
            new = run.network.initial_parameters(run.record.training.seed).to(run.parameters)
            predict = linear_maps(run.network, new)
        else:
            elementwise = self._elementwise(number * len(seed))
            predict = recurrent(run.network, run.parameters, products_of(run.precision), elementwise)
        change = UpsideDown() if "upside-down" in on else None
        heard = len(seed) if "whole-sequences" in on else 1
        for done, predicted in enumerate(islice(iterations(predict, seed, change), number), start=1):
            self._tell(done / number)
            yield predicted[-heard:]

    def _iterations(self, done: int, seq: int) -> int:
        """Give how many iterations so many samples are made of."""
        heard = seq if "whole-sequences" in self._how.as_coded else 1
        return ceil(done / (heard * self._frame)) + self._dropped(seq)

    def _dropped(self, seq: int) -> int:
        """Give how many of the first iterations are not heard."""
        return seq if "drop-seq" in self._how.as_coded else 0

    def _guard(self, seeds: torch.Tensor) -> Guard | None:
        song, guards = self.run.record.song, []
        if self._how.hold_level:
            guards.append(hold_level(seeds, song["offset"]))
        if self._how.clip:
            ends = (song[end] * song["scale"] + song["offset"] for end in ("minimum", "maximum"))
            guards.append(clip(*ends))

        def every(frames: torch.Tensor) -> None:
            for guard in guards:
                guard(frames)

        return every if guards else None

    def _settings(self, frames: int, seq: int) -> dict[str, Any]:
        """Give how so many frames are generated from a seed of `seq`."""
        return {
            "products": products_of(self.run.precision),
            "elementwise": self._elementwise(frames + seq),
            "on_frames": lambda done: self._tell(done / frames),
        }

    def _tell(self, done: float) -> None:
        """Say which share of the work is done."""
        if self._on_samples is not None:
            self._on_samples(min(int(done * self.samples), self.samples))

    def _elementwise(self, steps: int) -> Elementwise:
        # Asked in this order: to know whether it can be had takes the time and memory of loading the compiler.
        worth = self.run.device.type == "cpu" and steps > STEPS_WORTH_COMPILING
        return "compiled" if worth and compiled_available() is None else "plain"
