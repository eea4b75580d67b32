"""D02 to D04, D13 to D15: how the 2016 code generated, and how these runs did."""

from __future__ import annotations

from typing import Any

import numpy as np

from longsong.audit.evidence import Evidence
from longsong.audit.passes import first_samples
from longsong.audit.regenerate import Regenerated
from longsong.audit.run import Run
from longsong.audit.untrained import of_untrained_maps
from longsong.audit.verdicts import Finding, Seen, Verdict, as_coded, least_to_most, others
from longsong.errors import RunError

__all__ = ["iterations_dropped", "level", "seed_example", "trained_network", "turned_over", "whole_sequences"]

_RANGES_2016 = ((-3000, 3000), (-8936, 9124))
"""D13: the ranges that the two scripts stretched to."""
_STRETCHED = 1e-3
"""D13: how far what a prediction was multiplied by may be from 1."""
_FRAMES_DROPPED = 3
"""D14: what the first version dropped; the later one as many as a sequence has."""
_SEED_2016 = 400
"""D15: the example that the scripts began with."""
_BLOCKS = 5
"""D03: the plot of 2016 shows five blocks; levels are compared over as many parts."""


def trained_network(evidence: Evidence) -> Finding:
    """D02: the sound is what the trained, recurrent network predicts, or an untrained pair of linear maps."""
    seen, largest = [], 0.0
    for run, found in _regenerated(evidence):
        files = (run.path("generated.wav"), run.best_parameters)
        if found.join is not None:
            largest = max(largest, found.largest)
            seen.append(Seen(run.name, False, "", files))
            continue
        untrained = of_untrained_maps(run, evidence.seed(run))
        if not untrained and _made_otherwise(run):
            continue  # its first prediction is not to be heard as it is
        says = f"it does not begin as its network predicts ({found.largest:,.0f} levels away), but "
        says += "as untrained linear maps do" if untrained else "nor as untrained linear maps of its random seed do"
        seen.append(Seen(run.name, untrained, says, files, not untrained))
    otherwise = (
        f"{others(seen)} sounds begin with what the run's own trained network "
        f"makes of the seed, to within {largest:.1f} of 32,768 levels."
    )
    by = f"{others(seen)} sounds of the trained network, to within {largest:.1f} levels"
    return as_coded(seen, otherwise, evidence.without_sound, {"largest_level": largest}, by=by)


def whole_sequences(evidence: Evidence) -> Finding:
    """D03: samples in the file against predictions made, and the level from part to part."""
    seen, fading, lengths = [], [], set()
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        record, wav = run.generated, run.wav
        found = regenerated.get(run.name)
        most = record["iterations"] * record["frame"]
        lengths.add(int(record["seq"]))
        dropped = (0, record["frame"] * record["seq"] * record["seq"])  # D14 is a way of its own
        by_length = wav.samples in (most * record["seq"] - less for less in dropped)
        # What was computed again tells; a length is by the number of predictions that the record has.
        whole = found.join == "whole-sequence" if found is not None and found.join else by_length
        says = f"{wav.samples:,} samples of {record['iterations']:,} predictions of {record['frame']} x {record['seq']}"
        files = (run.path("generated.wav"), run.path("generated.json"))
        seen.append(Seen(run.name, whole, says, files, not whole and wav.samples > most))
        if wav.samples < _BLOCKS:
            continue
        parts = [float(np.sqrt(np.mean(np.square(p, dtype=np.float64)))) for p in np.array_split(wav.data, _BLOCKS)]
        fading.append(parts[-1] / parts[0] if parts[0] > 0 else 0.0)
    numbers: dict[str, Any] = {"last_fifth_over_first_rms": [min(fading), max(fading)] if fading else None}
    otherwise = f"{others(seen)} sounds hold one frame for each prediction, none a whole sequence."
    if fading:
        otherwise += (
            f" The last fifth of a sound has {min(fading):.2f} to {max(fading):.2f} times the level of its first "
            "(in 2016 the fifth block had some 0.18 of the first's peak)."
        )
    by = f"1 frame of each prediction and not {least_to_most(lengths)}, in {others(seen)} sounds"
    return as_coded(seen, otherwise, evidence.without_sound, numbers, by=by)


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
    return as_coded(seen, otherwise, evidence.without_sound, numbers, by=by)


def level(evidence: Evidence) -> Finding:
    """D13: the level is that of the predictions; nothing was stretched to a range of 2016, or the song's own."""
    seen, lows, highs = [], [], []
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        data = run.wav.data
        ends = (int(data.min()), int(data.max()))
        lows.append(ends[0])
        highs.append(ends[1])
        found = regenerated.get(run.name)
        gain = found.gain if found is not None else 1.0
        own = (run.of("song.minimum"), run.of("song.maximum"))  # as those of the first script were in 2016
        as_predicted = found is not None and found.join is not None and abs(gain - 1) <= _STRETCHED
        coded = ends in (*_RANGES_2016, own) and not as_predicted
        neither = not coded and (abs(gain - 1) > _STRETCHED or run.generated["stretched"])
        says = f"range {ends[0]:,} to {ends[1]:,}, {gain:.3f} times its predictions"
        says += ", and stretched by its record" * run.generated["stretched"]
        files = (run.path("generated.wav"), run.path("generated.json"))
        seen.append(Seen(run.name, coded, says, files, neither))
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
    return as_coded(seen, otherwise, evidence.without_sound, numbers, by=by)


def iterations_dropped(evidence: Evidence) -> Finding:
    """D14: predictions made against frames needed: none is made to be dropped, or seq of them, or 3."""
    seen, made, needed, lengths = [], 0, 0, set()
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        record = run.generated
        lengths.add(int(record["seq"]))
        due = -(-record["samples"] // record["frame"])
        if record["iterations"] < due:
            due = -(-due // record["seq"])  # of whole sequences (D03), if of anything
        extra = record["iterations"] - due
        made, needed = made + record["iterations"], needed + due
        says = f"{record['iterations']:,} predictions for {due:,} frames, {extra:,} of them dropped"
        coded = extra in (record["seq"], _FRAMES_DROPPED)
        if coded and run.name in regenerated and regenerated[run.name].join is not None:
            coded = False
            says += " by its record, and the first one stands at the start of the wav"
        seen.append(Seen(run.name, coded, says, (run.path("generated.json"),), extra != 0 and not coded))
    otherwise = (
        f"{others(seen)} sounds were made of just the predictions that they need, "
        f"{made:,} for {needed:,} frames: the seed never is in the output, so that nothing has to be dropped."
    )
    by = f"{made - needed:,} predictions dropped in {others(seen)} sounds, and not {least_to_most(lengths)} in each"
    return as_coded(seen, otherwise, evidence.without_sound, {"predictions": made, "frames": needed}, by=by)


def seed_example(evidence: Evidence) -> Finding:
    """D15: the seed comes from the dev split where there is a dev example, or is example 400 of the train split."""
    seen, no_dev, wavs, beyond = [], [], [], []
    regenerated = {run.name: found for run, found in _regenerated(evidence)}
    for run in _trusted(evidence):
        seed = run.generated["seed"]
        if seed["source"] == "wav":
            wavs.append(run.name)
            continue
        start, example, source = seed.get("start"), seed.get("example"), seed["source"]
        if not run.of("data.dev_examples"):
            no_dev.append(run.name)
            continue
        train = run.of("data.train_samples")
        there = source in ("train", "dev") and _begins_at(run, source, example) == start
        found = regenerated.get(run.name)
        unheard = found is not None and found.join is None and not _made_otherwise(run)
        unheard = unheard and not of_untrained_maps(run, evidence.seed(run))
        coded = there and source == "train" and example == _SEED_2016 and not unheard
        described = there and source == "dev"
        if described:
            beyond.append(start - train)
        says = f"example {example} of {source}, from sample {start}, where train ends at {train:,}"
        says += ", and its sound does not begin as that seed makes it" * unheard
        files = (run.path("generated.json"), run.path("config.json"))
        seen.append(Seen(run.name, coded, says, files, not (coded or described)))
    numbers = {"runs_without_dev_example": len(no_dev), "seeds_from_a_wav": len(wavs)}
    if wavs and not seen and not no_dev:
        text = f"The seeds of all {len(wavs)} sounds are wavs of their own, of which neither post nor code speaks."
        return Finding(Verdict.NOT_STATED, text, numbers)
    nothing = evidence.without_sound
    if no_dev and not seen:
        nothing = (
            f"None of {len(no_dev)} runs with a sound has a dev example to take a seed from: they had to take train "
            "examples."
        )
    otherwise = f"{others(seen)} sounds have a seed of the dev split, which no run was trained on."
    if no_dev:
        otherwise += f" {len(no_dev)} more have no dev example and take one of train."
    by = f"seeds begin {least_to_most(beyond)} samples behind the end of the train split, in {others(seen)} sounds"
    return as_coded(seen, otherwise, nothing, numbers, by=by)


def _made_otherwise(run: Run) -> bool:
    """Tell whether a sound says that it was joined, kept in bounds or begun otherwise; P12 and P14 name those."""
    record = run.generated
    extra = record["iterations"] - -(-record["samples"] // record["frame"])
    return record["mode"] == "post" and bool(record["join"] != "last-frame" or record.get("guards") or extra > 0)


def _begins_at(run: Run, split: str, example: Any) -> int | None:
    """Give the first sample of an example of a split; None where there is none of that number."""
    starts = first_samples(run, split)
    known = isinstance(example, int) and not isinstance(example, bool) and 0 <= example < len(starts)
    return int(starts[example]) if known else None


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
