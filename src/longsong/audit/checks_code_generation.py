"""D02 to D04, D13 to D15: how the 2016 code generated, and how these runs did."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from longsong.audit.evidence import Evidence
from longsong.audit.regenerate import Regenerated
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, Verdict, as_coded, others
from longsong.errors import RunError

__all__ = ["iterations_dropped", "level", "seed_example", "trained_network", "turned_over", "whole_sequences"]

_NOTHING = "Nothing was generated yet, or the shards and parameters to compute it again are not here."
_RANGES_2016 = ((-3000, 3000), (-8936, 9124))
"""D13: the ranges that the two scripts stretched to."""
_BLOCKS = 5
"""D03: the plot of 2016 shows five blocks; levels are compared over as many parts."""


def trained_network(evidence: Evidence) -> Finding:
    """D02: the sound is what the trained, recurrent network predicts."""
    seen, largest = [], 0.0
    for run, found in _regenerated(evidence):
        if found.join is not None:
            largest = max(largest, found.largest)
        says = f"its sound does not begin as its network predicts ({found.largest:,.0f} levels away)"
        seen.append(Seen(run.name, found.join is None, says, (run.path("generated.wav"), run.best_parameters)))
    otherwise = (
        f"{others(seen)} sounds begin with what the run's own trained network "
        f"makes of the seed, to within {largest:.1f} of 32,768 levels."
    )
    by = f"{others(seen)} sounds of the trained network, to within {largest:.1f} levels"
    return as_coded(seen, otherwise, _NOTHING, {"largest_level": largest}, by=by)


def whole_sequences(evidence: Evidence) -> Finding:
    """D03: samples in the file against predictions made, and the level from part to part."""
    seen, fading, lengths = [], [], set()
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        record, wav = run.generated, run.wav
        found = regenerated.get(run.name)
        most = record["iterations"] * record["frame"]
        lengths.add(int(record["seq"]))
        whole = record["join"] == "whole-sequence" or wav.samples > most
        whole = whole or (found is not None and found.join == "whole-sequence")
        says = f"{wav.samples:,} samples of {record['iterations']:,} predictions of {record['frame']} x {record['seq']}"
        seen.append(Seen(run.name, whole, says, (run.path("generated.wav"), run.path("generated.json"))))
        parts = [float(np.sqrt(np.mean(np.square(p, dtype=np.float64)))) for p in np.array_split(wav.data, _BLOCKS)]
        fading.append(parts[-1] / parts[0] if parts[0] > 0 else 0.0)
    numbers: dict[str, Any] = {"last_fifth_over_first_rms": [min(fading), max(fading)] if fading else None}
    otherwise = f"{others(seen)} sounds hold one frame for each prediction, none a whole sequence."
    if fading:
        otherwise += (
            f" The last fifth of a sound has {min(fading):.2f} to {max(fading):.2f} times the level of its first "
            "(in 2016 the fifth block had some 0.18 of the first's peak)."
        )
    by = f"1 frame of each prediction and not {_spread(lengths)}, in {others(seen)} sounds"
    return as_coded(seen, otherwise, _NOTHING, numbers, by=by)


def turned_over(evidence: Evidence) -> Finding:
    """D04: predictions are fed back as they are, not turned upside down and expanded."""
    seen, aways = [], []
    for run, found in _regenerated(evidence):
        if found.join is None or found.feedback is None:
            continue
        if found.turned_away:
            aways.append(found.turned_away)
        says = "its second prediction follows from the first turned upside down"
        files = (run.path("generated.wav"), run.best_parameters)
        seen.append(Seen(run.name, found.feedback == "upside-down", says, files))
    otherwise = f"In {others(seen)} sounds the further predictions follow from the earlier ones fed back as they are."
    if aways:
        otherwise += (
            f" From the first turned upside down, the second would be {min(aways):,.0f} to {max(aways):,.0f} of 32,768 "
            "levels away from the wav."
        )
    numbers = {"levels_away_if_turned": [min(aways), max(aways)] if aways else None}
    by = f"{max(aways, default=0):,.0f} levels at most between the two ways, in {others(seen)} sounds as described"
    return as_coded(seen, otherwise, _NOTHING, numbers, by=by)


def level(evidence: Evidence) -> Finding:
    """D13: the level is that of the predictions; nothing was stretched to a given range."""
    seen, lows, highs = [], [], []
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        data = run.wav.data
        ends = (int(data.min()), int(data.max()))
        lows.append(ends[0])
        highs.append(ends[1])
        found = regenerated.get(run.name)
        gain = found.gain if found is not None else 1.0
        own = (run.of("song.minimum"), run.of("song.maximum"))
        stretched = ends in (*_RANGES_2016, own) or abs(gain - 1) > 1e-3 or run.generated["stretched"]
        says = f"range {ends[0]:,} to {ends[1]:,}, {gain:.3f} times its predictions"
        seen.append(Seen(run.name, stretched, says, (run.path("generated.wav"), run.path("generated.json"))))
    gains = [found.gain for found in regenerated.values()]
    numbers = {
        "minimum": min(lows, default=None),
        "maximum": max(highs, default=None),
        "gain": [min(gains), max(gains)] if gains else None,
    }
    otherwise = (
        f"{others(seen)} sounds have the level that was predicted, within "
        f"{min(lows, default=0):,} to {max(highs, default=0):,}; none was stretched to a range."
    )
    ranges = " or ".join(f"{low:,} to {high:,}" for low, high in _RANGES_2016)
    by = f"{min(lows, default=0):,} to {max(highs, default=0):,} over {others(seen)} sounds, and not {ranges} in each"
    return as_coded(seen, otherwise, _NOTHING, numbers, by=by)


def iterations_dropped(evidence: Evidence) -> Finding:
    """D14: predictions made against frames needed: none is made only to be dropped."""
    seen, made, needed, lengths = [], 0, 0, set()
    for run in _trusted(evidence):
        record = run.generated
        lengths.add(int(record["seq"]))
        due = -(-record["samples"] // record["frame"])
        extra = record["iterations"] - due
        made, needed = made + record["iterations"], needed + due
        says = f"{record['iterations']:,} predictions for {due:,} frames, {extra:,} of them dropped"
        seen.append(Seen(run.name, extra > 0, says, (run.path("generated.json"),)))
    otherwise = (
        f"{others(seen)} sounds were made of just the predictions that they need, "
        f"{made:,} for {needed:,} frames: the seed never is in the output, so that nothing has to be dropped."
    )
    by = f"{made - needed:,} predictions dropped in {others(seen)} sounds, and not {_spread(lengths)} in each"
    return as_coded(seen, otherwise, _NOTHING, {"predictions": made, "frames": needed}, by=by)


def seed_example(evidence: Evidence) -> Finding:
    """D15: the seed comes from the dev split where there is a dev example."""
    seen, no_dev, wavs, beyond = [], [], [], []
    for run in _trusted(evidence):
        seed = run.generated["seed"]
        if seed["source"] == "wav":
            wavs.append(run.name)
            continue
        start = seed.get("start")
        if not run.of("data.dev_examples"):
            no_dev.append(run.name)
            continue
        train = run.of("data.train_samples")
        inside = seed["source"] == "train" or not isinstance(start, int) or start < train
        if not inside:
            beyond.append(start - train)
        says = f"example {seed.get('example')} of {seed['source']}, from sample {start}, where train ends at {train:,}"
        seen.append(Seen(run.name, inside, says, (run.path("generated.json"), run.path("config.json"))))
    numbers = {"runs_without_dev_example": len(no_dev), "seeds_from_a_wav": len(wavs)}
    if wavs and not seen and not no_dev:
        text = f"The seeds of all {len(wavs)} sounds are wavs of their own, of which neither post nor code speaks."
        return Finding(Verdict.NOT_STATED, text, numbers)
    nothing = _NOTHING
    if no_dev and not seen:
        nothing = (
            f"None of {len(no_dev)} runs with a sound has a dev example to take a seed from: they had to take train "
            "examples."
        )
    otherwise = f"{others(seen)} sounds have a seed of the dev split, which no run was trained on."
    if no_dev:
        otherwise += f" {len(no_dev)} more have no dev example and take one of train."
    by = f"seeds begin {_spread(beyond)} samples behind the end of the train split, in {others(seen)} sounds"
    return as_coded(seen, otherwise, nothing, numbers, by=by)


def _spread(values: Collection[int]) -> str:
    """Give a number, or the least and the largest of several."""
    low, high = min(values, default=0), max(values, default=0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _trusted(evidence: Evidence) -> list[Run]:
    """Give the runs whose sound is what they wrote; P12 to P15 name the others."""
    found = []
    for run in evidence.sounding:
        try:
            if not run.altered("generated"):
                _ = run.wav.data
                found.append(run)
        except RunError:
            continue
    return found


def _regenerated(evidence: Evidence) -> list[tuple[Run, Regenerated]]:
    """Give the sounds whose first predictions could be computed again; P12 says why of the others."""
    found = []
    for run in _trusted(evidence):
        try:
            found.append((run, evidence.regenerated(run)))
        except RunError:
            continue
    return found
