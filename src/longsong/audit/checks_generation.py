"""P12 to P15: how sound was generated, by its own samples and the first predictions computed again."""

from __future__ import annotations

import reprlib
from math import isclose
from pathlib import Path
from typing import Any, get_args

from longsong.audit.evidence import Evidence
from longsong.audit.regenerate import SHOWN, Regenerated, SeenSeed
from longsong.audit.replay import work_of_a_prediction
from longsong.audit.replays import Followed, how_far, replay_numbers, replay_sounds
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, all_of, every_run, unless_unseen
from longsong.config import Mode
from longsong.errors import RunError, UnreadableError

__all__ = ["SECONDS", "fed_back", "last_frames", "seed_cut_off", "thirty_seconds"]

SECONDS = 30
"""P15."""
_ALIKE = 0.9
"""Correlation with the seed, sample for sample, from which on a start is called the seed at another level."""
_POST = "post"
"""Of the ways to generate that `longsong.config.Mode` names, the one of the post."""
_WORD_ONLY = "There are sounds, but their first predictions could not be computed again."


def fed_back(evidence: Evidence) -> Finding:
    """P12: each prediction is what the network makes of the one before, and there are as many as needed."""
    faults: dict[str, list[str]] = {}
    files: dict[str, tuple[Path, ...]] = {}
    followed: list[Followed] = []
    unseen, largest = [], 0.0
    for run in _posts_way(evidence):
        files[run.name] = (run.path("generated.json"), run.path("generated.wav"))
        faults[run.name] = _sound_odd(run) or _record_odd(run)
        if faults[run.name]:
            continue
        try:
            found, seed = evidence.regenerated(run), evidence.seed(run)
            work_of_a_prediction(run)  # a network that cannot be read is none that is replayed
        except RunError as error:
            unseen.append(str(error))
            continue
        if found.join is None:
            continue  # P14 says that its first prediction is not in it
        files[run.name] += (run.best_parameters,)
        largest = max(largest, found.largest)
        if odd := _first_ones_odd(run, found, seed):
            faults[run.name].append(odd)
        else:
            followed.append(Followed(run, found, seed))
    replayed = replay_sounds(followed)
    for name, one in replayed.items():
        largest = max(largest, one.largest)
        if one.broken:
            faults[name].append(
                f"prediction {one.followed + 1:,} of {one.due:,} is {one.away:,.0f} levels away from what its network "
                "makes of the one before"
            )
    seen = [Seen(name, not odd, "; ".join(odd), files[name]) for name, odd in faults.items()]
    good = (
        f"{all_of(seen)} sounds have one prediction for each frame. Predictions of {len(followed)} of them were "
        f"computed again from seed and parameters, each from the one before, and stand in the wav to within "
        f"{largest:.1f} of 32,768 levels: {how_far(replayed)}."
    )
    if carried := [run.name for run in evidence.sounding if run.name not in files]:
        good += (
            f" {len(carried)} more ({', '.join(carried[:3])}) carry their state on, which is not the post's way: D02 "
            "has their beginnings, and the rest of them is believed."
        )
    numbers = {"runs_computed_again": len(followed), "largest_level": largest, **replay_numbers(replayed)}
    numbers["sounds_of_carried_state"] = len(carried)
    finding = every_run(seen, good + _left_out(unseen), evidence.without_sound, numbers)
    return unless_unseen(finding, len(followed), _WORD_ONLY + _left_out(unseen))


def _record_odd(run: Run) -> list[str]:
    """Say where what a sound's record says of it is not the post's way, or not of this run."""
    record, odd = run.generated, []
    if record["mode"] not in get_args(Mode):
        odd.append(f"its mode is {record['mode']!r}, none of the {len(get_args(Mode))} ({', '.join(get_args(Mode))})")
    if record["frame"] != run.of("data.frame"):
        odd.append(f"its frames have {record['frame']:,} samples, those of its run {run.of('data.frame'):,}")
    if record["seq"] != run.of("data.seq") and record["seed"]["source"] != "wav":
        odd.append(f"its seed has {record['seq']:,} frames, a sequence of its run {run.of('data.seq'):,}")
    odd += _seed_odd(run)
    due = -(-record["samples"] // record["frame"])
    if record["iterations"] != due:
        odd.append(f"{record['iterations']:,} predictions, where {due:,} frames are needed")
    if record.get("guards"):
        named = ", ".join(map(str, record["guards"]))
        odd.append(f"{len(record['guards'])} guard rails ({named}) alter what is fed back")
    return odd


def _seed_odd(run: Run) -> list[str]:
    """Say where the seed's place cannot be: it is one sequence of the song, or the end of a wav of its own."""
    seed, song = run.generated["seed"], run.of("song.samples")
    if seed["source"] == "wav":
        return []
    start, stop = seed.get("start"), seed.get("stop")
    inside = isinstance(start, int) and isinstance(stop, int) and 0 <= start < stop <= song
    if inside and stop - start == _seed_length(run):
        return []
    place = f"samples {reprlib.repr(start)} to {reprlib.repr(stop)}"
    return [f"its seed is at {place}, which are not {_seed_length(run):,} of the song's {song:,}"]


def _first_ones_odd(run: Run, found: Regenerated, seed: SeenSeed) -> str:
    """Say where one of the first predictions is not what its network makes of the one before."""
    if found.feedback == "upside-down":
        others = found.followed - 1
        return f"{others} of {others} further predictions are of the one before turned upside down"
    piece = run.generated["frame"] * (run.generated["seq"] if found.join == "whole-sequence" else 1)
    due = min(SHOWN, -(-(run.wav.samples - seed.left) // piece))
    if found.followed >= due:
        return ""
    if found.followed < 2:
        return f"its second prediction is {found.next_away:,.0f} levels away from what its network makes of the first"
    return f"prediction {found.followed + 1} is not what its network makes of prediction {found.followed}"


def seed_cut_off(evidence: Evidence) -> Finding:
    """P13: not one frame at the start of the wav is the seed's."""
    seen, unseen, highest = [], [], 0.0
    for run in evidence.sounding:
        files = (run.path("generated.wav"), run.path("generated.json"))
        odd = _sound_odd(run)
        if not odd and run.generated["seed_in_output"]:
            odd.append(f"generated.json says that the seed ({_seed_length(run):,} samples) is in it")
        if not odd:
            try:
                found = evidence.seed(run)
            except RunError as error:
                unseen.append(str(error))
                continue
            highest = max(highest, abs(found.similarity))
            if found.left:
                odd.append(f"its first {found.left:,} samples are the seed's own")
            elif found.similarity > _ALIKE and not _begins_as_predicted(evidence, run):
                odd.append(f"its start is the seed at another level (correlation {found.similarity:.3f})")
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    good = (
        f"The seeds of {len(seen)} of {len(seen) + len(unseen)} sounds were read again: no frame at the start "
        f"of a wav is the seed's, and the largest correlation of a wav with its seed is {highest:.3f}."
    )
    nothing = f"{evidence.without_sound if not unseen else 'No seed could be read again.'}{_left_out(unseen)}"
    return every_run(seen, good + _left_out(unseen), nothing, {"largest_correlation": highest})


def _begins_as_predicted(evidence: Evidence, run: Run) -> bool:
    """Tell whether a wav begins with its first prediction: one that continues a tone is like the seed by merit."""
    try:
        return evidence.regenerated(run).join is not None
    except RunError:
        return False


def last_frames(evidence: Evidence) -> Finding:
    """P14: the wav is the last frames of the predictions, end to end."""
    seen, again, unseen = [], 0, []
    for run in _posts_way(evidence):
        files: tuple[Path, ...] = (run.path("generated.json"), run.path("generated.wav"))
        odd = _sound_odd(run)
        if not odd:
            if run.generated["join"] != "last-frame":
                odd.append(f"joined by {run.generated['join']}")
            try:
                found = evidence.regenerated(run)
                again += 1
                files = (*files, run.best_parameters)
                if found.join is None:
                    odd.append(
                        "its first frame is not the last one of what its network predicts "
                        f"({found.largest:,.0f} levels away)"
                    )
                elif found.join == "whole-sequence":
                    odd.append(f"all {run.generated['seq']:,} frames of the first prediction stand in it, not 1")
                elif found.join != "last-frame":
                    odd.append(f"frame 1 of the first prediction stands in it, not frame {run.generated['seq']:,}")
            except RunError as error:
                unseen.append(str(error))
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    good = (
        f"{all_of(seen)} sounds are joined of last frames. For {again} of them the first prediction was computed "
        "again, and the wav begins with its last frame."
    )
    finding = every_run(seen, good + _left_out(unseen), evidence.without_sound, {"runs_computed_again": again})
    return unless_unseen(finding, again, _WORD_ONLY + _left_out(unseen))


def thirty_seconds(evidence: Evidence) -> Finding:
    """P15: each wav has 30 s of samples at its own rate, by its own header."""
    seen, lengths = [], set()
    for run in evidence.sounding:
        files = (run.path("generated.wav"), run.path("generated.json"))
        odd = _sound_odd(run)
        if not odd:
            wav, record = run.wav, run.generated
            lengths.add((wav.samples, wav.sample_rate))
            due = SECONDS * wav.sample_rate
            if wav.samples != due:
                odd.append(
                    f"{wav.seconds:g} s: {wav.samples:,} samples at {wav.sample_rate:,} Hz, {wav.samples - due:+,} "
                    f"from {SECONDS} s"
                )
            if (record["samples"], record["sample_rate"]) != (wav.samples, wav.sample_rate):
                odd.append(f"generated.json says {record['samples']:,} samples at {record['sample_rate']:,} Hz")
            odd += _extremes_odd(run)
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    listed = " or ".join(f"{samples:,} samples at {rate:,} Hz" for samples, rate in sorted(lengths))
    good = f"{all_of(seen)} wavs have {listed}, mono, 16 bits: {SECONDS} s each, by their headers."
    numbers: dict[str, Any] = {"seconds": SECONDS, "lengths_and_rates": sorted(map(list, lengths))}
    return every_run(seen, good, evidence.without_sound, numbers)


def _extremes_odd(run: Run) -> list[str]:
    """Say where length and range of a sound are not what its record has."""
    wav, record = run.wav, run.generated
    due = {"seconds": wav.seconds, "minimum": int(wav.data.min()), "maximum": int(wav.data.max())}
    return [
        f"generated.json has {record[name]:,g} as its {name}, the wav {value:,g}"
        for name, value in due.items()
        if not isclose(record[name], value, rel_tol=1e-9)
    ]


def _seed_length(run: Run) -> int:
    """Give the samples of a seed: one sequence."""
    return int(run.generated["frame"]) * int(run.generated["seq"])


def _posts_way(evidence: Evidence) -> list[Run]:
    """Give the runs whose sound was made the post's way, and those that do not say how, or by a name of no way."""
    found = []
    for run in evidence.sounding:
        try:
            mode = run.generated["mode"]
        except RunError:
            mode = _POST  # missing or cut short: `_sound_odd` says so
        if mode == _POST or mode not in get_args(Mode):
            found.append(run)
    return found


def _sound_odd(run: Run) -> list[str]:
    """Say why a run's sound cannot be trusted, if it cannot."""
    if altered := run.altered("generated"):
        return [altered]
    try:
        _ = run.wav.data
    except UnreadableError:
        raise
    except RunError as error:
        return [str(error)]
    return []


def _left_out(unseen: list[str]) -> str:
    return f" {len(unseen)} could not be computed again ({unseen[0]})." if unseen else ""
