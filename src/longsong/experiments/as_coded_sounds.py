"""The sounds of the experiment: each made once, all from one seed and of one length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longsong.config import Switch
from longsong.experiments.as_coded_ways import Way, generating_switches
from longsong.experiments.described_cost import described_seed
from longsong.generated import generate_into, read_generated
from longsong.generating import Generating, Seed
from longsong.runs import Run
from longsong.switches import TRAIN_SEED
from longsong.training.splits import Splits

__all__ = ["sound_of", "way_of_generating"]


def way_of_generating(
    run: Run, way: Way, described: Splits, seconds: float, quiet: bool, label: str
) -> tuple[Path, dict[str, Any]]:
    """Generate from a run as described in one of the ways of 2016; as `sound_of`.

    Where whole sequences are written (D03) so much less is asked for, that the sound has the length of the others. A
    train split that has no example 400 (D15) gives its last one.
    """
    switches = generating_switches(way)
    seed = described_seed(run, described)
    if "train-seed" in switches:
        (seed,) = run.song_seeds([min(TRAIN_SEED, len(described.train) - 1)], split="train")
    if "whole-sequences" in switches:
        seconds /= described.data.seq
    return sound_of(run, seed, seconds, switches, quiet, label)


def sound_of(
    run: Run, seed: Seed, seconds: float, switches: Sequence[Switch], quiet: bool, label: str
) -> tuple[Path, dict[str, Any]]:
    """Give a sound of a run, after making it where it is not there.

    Parameters
    ----------
    run : Run
    seed : Seed
    seconds : float
        What is asked for.
    switches : sequence of str
        Ways of 2016 that are on.
    quiet, label
        As for `longsong.generated.generate_into`.

    Returns
    -------
    Path
        The wav, in the run's folder.
    dict
        Its record (``generated.json``).

    Raises
    ------
    longsong.errors.LongsongError
        As `longsong.generated.generate_into`.
    """
    how = Generating(seconds, as_coded=tuple(switches))
    due = {
        "as_coded": list(switches),
        "mode": how.mode,
        "join": how.join,
        "guards": how.guards,
        "samples": run.sounds([seed], how).samples,
        "parameters": run.which,
        "epoch": run.epoch,
        "stopped": False,
        "seed": seed.origin,
    }
    for wav in sorted(run.folder.glob("generated*.wav")):
        record = read_generated(wav, due)
        if record is not None:
            return wav, record
    wav, generated = generate_into(run, seed=seed, how=how, quiet=quiet, label=f"{label}, generating")
    return wav, generated.record
