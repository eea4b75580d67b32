"""Which sounds an audit replays, and how far: whole ones, cheapest first, as long as it has work to spend (P12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longsong.audit.regenerate import SHOWN, Regenerated, SeenSeed
from longsong.audit.replay import Replayed, predictions_due, replay, work_of_a_prediction
from longsong.audit.revaluate import LeftOutError, Workload
from longsong.audit.run import Run
from longsong.audit.verdicts import least_to_most

__all__ = ["BEGINNING", "Followed", "how_far", "replay_numbers", "replay_sounds"]

BEGINNING = 1e9
"""Multiplications spent on the beginning of a sound that is too long to be replayed whole."""


@dataclass(frozen=True)
class Followed:
    """A sound whose first predictions stand in its wav.

    Attributes
    ----------
    run : Run
    found : Regenerated
    seed : SeenSeed
    """

    run: Run
    found: Regenerated
    seed: SeenSeed

    @property
    def due(self) -> int:
        """Predictions that the sound is made of."""
        return predictions_due(self.run, self.seed)

    @property
    def work(self) -> float:
        """Multiplications of all of them."""
        return self.due * work_of_a_prediction(self.run)


def replay_sounds(sounds: Sequence[Followed], workload: Workload | None = None) -> dict[str, Replayed]:
    """Replay sounds, the cheapest first.

    One that is too long to be replayed whole is replayed at its beginning; where a single prediction takes too much for
    that, its first three are what was seen of it.

    Parameters
    ----------
    sounds : sequence of Followed
        Those that are not of last frames are left out: what is fed back does not stand in the wav as it was heard.
    workload : Workload, optional
        What may be spent; an audit's usual one if not given.

    Returns
    -------
    dict of str to Replayed
        By the run's name, in the order of `sounds`.

    Raises
    ------
    RunError
        Parameters or a wav changed since they were read.
    """
    given = Workload() if workload is None else workload
    of_last_frames = [one for one in sounds if one.found.join == "last-frame"]
    # Every sound is followed at its beginning before any is followed whole.
    reserved = min(given.left / 2, sum(min(one.work, BEGINNING) for one in of_last_frames))
    beginnings, whole = Workload(reserved, BEGINNING), Workload(given.left - reserved, given.largest)
    found: dict[str, Replayed] = {}
    for one in sorted(of_last_frames, key=lambda one: one.work):
        count = _affordable(one, whole, beginnings)
        found[one.run.name] = (
            replay(one.run, one.seed, one.found, count)
            if count > SHOWN
            else Replayed(one.due, one.found.followed, one.found.followed, one.found.largest)
        )
    return {one.run.name: found[one.run.name] for one in of_last_frames}


def _affordable(one: Followed, whole: Workload, beginnings: Workload) -> int:
    """Give how many predictions are to be computed, and take their work off what is left."""
    each = work_of_a_prediction(one.run)
    for count, left in ((one.due, whole), (min(one.due, int(BEGINNING / each)), beginnings)):
        if count > SHOWN:
            try:
                left.spend(count * each, one.run, "its sound")
                return count
            except LeftOutError:
                continue
    return min(SHOWN, one.due)


def how_far(replayed: Mapping[str, Replayed]) -> str:
    """Say in plain words how much of the sounds was followed."""
    whole = [one for one in replayed.values() if one.whole]
    cut = [one for one in replayed.values() if one.followed < one.due and not one.rounded_off]
    rounded = [(name, one) for name, one in replayed.items() if one.rounded_off]
    said = []
    if whole:
        said.append(f"all predictions of {len(whole)} sounds ({least_to_most([one.due for one in whole])} each)")
    if cut:
        followed, due = (least_to_most([getattr(one, key) for one in cut]) for key in ("followed", "due"))
        said.append(
            f"the first {followed} of {due} predictions of {len(cut)}, which are too long for an audit to compute whole"
        )
    for name, one in rounded:
        said.append(
            f"the first {one.followed:,} of {one.due:,} predictions of {name}, after which rounding decides what comes"
        )
    return "; ".join(said) or "the first of each"


def replay_numbers(replayed: Mapping[str, Replayed]) -> dict[str, Any]:
    """Give the same as values that JSON holds."""
    return {
        "sounds_replayed_whole": sum(one.whole for one in replayed.values()),
        "predictions_followed": {name: [one.followed, one.due] for name, one in replayed.items()},
    }
