"""What came of a run, for its TensorBoard: sounds, with their spectrograms, and figures."""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from longsong.training.events import EventFile

__all__ = ["log_figures", "log_sound"]

_RGB = 3
"""TensorBoard's word for an image in colours."""


def log_sound(
    run: Path, name: str, epoch: int, *, wav: bytes, samples: int, sample_rate: int, spectrogram: bytes
) -> None:
    """Give a run's TensorBoard a sound that was generated after `epoch` epochs, and its spectrogram.

    Parameters
    ----------
    run : Path
        Its folder.
    name : str
        That of the sound; its spectrogram has ``NAME/spectrogram``.
    epoch : int
    wav : bytes
        The sound as a file, of one channel.
    samples, sample_rate : int
        Its length, and Hz.
    spectrogram : bytes
        A PNG.

    Raises
    ------
    SpaceError
        The disk is full, or may not be written to.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    audio = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=samples,
        encoded_audio_string=wav,
        content_type="audio/wav",
    )
    width, height = struct.unpack_from(">II", spectrogram, 16)  # where every PNG has them (RFC 2083, 4.1.1)
    image = Summary.Image(width=width, height=height, colorspace=_RGB, encoded_image_string=spectrogram)
    both = [Summary.Value(tag=name, audio=audio), Summary.Value(tag=f"{name}/spectrogram", image=image)]
    with EventFile(run, None) as board:
        board.values(epoch, time.time(), both)


def log_figures(run: Path, name: str, figures: Mapping[str, Any], epoch: int) -> None:
    """Give a run's TensorBoard all numbers of some figures, after `epoch` epochs.

    A number has the name that leads to it, such as ``generated/sound/levels/dc``. A list of them is a curve, whose
    steps count its values from 1.
    """
    with EventFile(run, None) as board:
        when = time.time()
        steps: defaultdict[int, dict[str, float]] = defaultdict(dict)
        for tag, value in _leaves(figures, name):
            values = enumerate(value, start=1) if isinstance(value, list) else [(epoch, value)]
            for step, number in values:
                if isinstance(number, int | float) and not isinstance(number, bool):
                    steps[step][tag] = float(number)
        for step in sorted(steps):
            board.scalars(step, when, steps[step])


def _leaves(figures: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Give what is no mapping in nested figures, by its path; but for versions of formats."""
    for key, value in figures.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/{key}")
        elif key != "version":
            yield f"{path}/{key}", value
