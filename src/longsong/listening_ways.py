"""The ways of generating that are listened to side by side, each in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from longsong.config import Join, Mode, Switch
from longsong.generating import Generating
from longsong.switches import Deviation, deviations_of
from longsong.units import human_time

__all__ = ["WAYS", "Way"]


@dataclass(frozen=True)
class Way:
    """A way of generating.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
    of : str
        The claims of the post, or the difference of the 2016 code, that it follows; may be empty.
    done : str
        What is done, in a sentence.
    mode, join, as_coded
        As `longsong.generating.Generating`.
    """

    name: str
    title: str
    of: str
    done: str
    mode: Mode = "post"
    join: Join = "last-frame"
    as_coded: tuple[Switch, ...] = ()

    def how(self, seconds: float, seq: int) -> Generating:
        """Say how to generate a file of about so many seconds, with sequences of `seq` frames.

        What writes whole sequences makes seq times the sound that it is asked for (D03): it is asked for less.
        """
        asked = seconds / seq if self.writes_sequences else seconds
        return Generating(asked, self.mode, self.join, as_coded=self.as_coded)

    def in_words(self, seconds: float, seq: int) -> str:
        """Say what was done, for sounds that were to have so many seconds."""
        if not self.writes_sequences:
            return self.done
        return (
            f"{self.done} This is its beginning alone: asked for {human_time(seconds)} it would go on for {seq:,} "
            f"times as long, {human_time(seconds * seq)}."
        )

    @property
    def writes_sequences(self) -> bool:
        """Whether a file holds whole predicted sequences, so that it is seq times as long."""
        return "whole-sequences" in self.as_coded


def _of_2016(switch: Switch, deviation: Deviation) -> Way:
    done = f"The post's way with one thing as the scripts of 2016 did it: {deviation.does}."
    return Way(switch, f"2016: {switch}", deviation.id, done, as_coded=(switch,))


WAYS: tuple[Way, ...] = (
    Way("post", "the post's way", "P12 to P15", "A whole sequence is predicted from the initial state, the last frame "
        "of it is heard, and all of it is fed back."),
    Way("carry", "carried state", "", "One frame is predicted, heard and fed back, and the state of the network goes "
        "on from frame to frame.", mode="carry"),
    Way("crossfade", "crossfade", "", "Predicted as the post says; each frame is blended with the sound before it, so "
        "that no tick is heard where they meet.", join="crossfade"),
    *(_of_2016(*pair) for pair in zip(get_args(Switch), deviations_of("generating"), strict=True)),
)  # fmt: skip
"""Every way, in the order in which a page shows them."""
