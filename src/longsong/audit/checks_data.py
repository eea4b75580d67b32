"""P01 to P05, P18: the song, its frames, its sequences, inputs and targets, and the rate of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from pathlib import Path
from typing import Any

from longsong.audit.evidence import Evidence
from longsong.audit.grid import Grid
from longsong.audit.normalisation import EXACT
from longsong.audit.original_song import ORIGINAL_SONG
from longsong.audit.passes import examples_due
from longsong.audit.revaluate import TOLERANCE
from longsong.audit.run import Run
from longsong.audit.song import NotHereError
from longsong.audit.verdicts import Finding, Seen, Verdict, all_of, every_run, unless_unseen
from longsong.errors import RunError, UnreadableError
from longsong.grid_file import GRID
from longsong.reported import FRAMES, SEQUENCES

__all__ = ["frame_sizes", "frames", "next_frame_targets", "one_rate", "one_song", "sequence_lengths"]

_SPLIT = ORIGINAL_SONG.train_samples / ORIGINAL_SONG.samples
"""The share of the song that is trained on (FACTS section 2)."""


def one_song(evidence: Evidence) -> Finding:
    """P01: all runs name one song, and the shards hold just its raw int16 samples."""
    runs = evidence.complete
    digests = sorted({run.of("song.digest") for run in runs})
    seen: list[Seen] = []
    unseen: list[str] = []
    numbers: dict[str, Any] = {"songs": len(digests), "digests": digests}
    for run in runs:
        files = (run.path("config.json"),)
        try:
            song = evidence.song(run)
        except UnreadableError:
            raise  # of samples that nobody saw there is nothing to say
        except RunError as error:
            unseen.append(str(error))
            holds = isinstance(error, NotHereError) and len(digests) == 1
            seen.append(Seen(run.name, holds, str(error), files))
            continue
        numbers |= {
            "samples": song.samples,
            "sample_rate": song.sample_rate,
            "seconds": song.samples / song.sample_rate,
            "sample_type": song.sample_type,
        }
        config = {key: run.of(f"song.{key}") for key in ("samples", "minimum", "maximum")}
        odd = [
            f"{key} is {getattr(song, key)}, not {value}"
            for key, value in config.items()
            if getattr(song, key) != value
        ]
        odd += [
            f"its {key.replace('_', ' ')} is {getattr(song, key):.7g}, not {run.of(f'song.{key}'):.7g}"
            for key in ("mean", "standard_deviation")
            if not isclose(getattr(song, key), run.of(f"song.{key}"), rel_tol=EXACT, abs_tol=EXACT)
        ]
        if song.index_digest != song.digest:
            odd.append("index.json has another digest than its samples")
        if len(digests) > 1:
            odd.append(f"song {run.of('song.digest')[:12]}…, one of {len(digests)}")
        seen.append(Seen(run.name, not odd, "; ".join(odd), (*files, song.index)))
    good = (
        f"{len(runs)} of {len(runs)} runs were trained on one song of {numbers.get('seconds', 0):,.1f} s: "
        f"{numbers.get('samples', 0):,} raw samples of type {numbers.get('sample_type')} at "
        f"{numbers.get('sample_rate', 0):,} Hz; all were read, and their digest is the one that each run names."
    )
    unread = f"{len(runs)} runs name one song, but its samples could not be read: {'; '.join(unseen[:1])}."
    finding = every_run(seen, good, "No run is complete.", numbers)
    return unless_unseen(finding, len(runs) - len(unseen), unread)


def frames(evidence: Evidence) -> Finding:
    """P02: the network takes one frame and gives one frame at each step, by the shapes on disk."""
    seen = []
    for run in evidence.complete:
        frame = run.of("data.frame")
        files: tuple[Path, ...] = (run.path("config.json"),)
        try:
            shapes, files = run.shapes, (*files, run.last_parameters)
            taken, given = shapes["input_to_hidden.W"][0], shapes["hidden_to_output.W"][1]
        except UnreadableError:
            raise
        except (RunError, KeyError) as error:
            seen.append(Seen(run.name, False, f"its parameters cannot be read ({error})", files))
            continue
        says = f"takes {taken} samples a step and gives {given}, where a frame has {frame}"
        altered = run.altered("parameters") or run.altered("best")
        seen.append(Seen(run.name, taken == given == frame and not altered, altered or says, files))
    sizes = sorted({run.of("data.frame") for run in evidence.complete})
    good = (
        f"In {all_of(seen)} runs the first matrix takes, and the last one gives, just one frame "
        f"(frames of {_listed(sizes)} samples)."
    )
    return every_run(seen, good, "No run is complete.", {"frames": sizes})


def frame_sizes(evidence: Evidence) -> Finding:
    """P03: which of the post's frame sizes were run, and which cannot be."""
    return _axis(evidence, "frame", FRAMES, "frame sizes", "samples")


def sequence_lengths(evidence: Evidence) -> Finding:
    """P04: which of the post's lengths, and of its 35 configurations, were run, and which cannot be."""
    grid = Grid.of(evidence)
    finding = _axis(evidence, "seq", SEQUENCES, "sequence lengths", "frames")
    if grid is None:
        return finding
    counts = {state: sum(cell.state == state for cell in grid.cells) for state in ("run", "cannot be", "left")}
    table = [vars(cell) for cell in grid.cells]
    text = (
        f"{finding.text} Of the {len(grid.cells)} configurations of the post, {counts['run']} were run, "
        f"{counts['left']} are left, and {counts['cannot be']} cannot be on this song: the train split has "
        f"{grid.train_samples:,} samples, and the smallest of them needs {grid.least_needed:,}."
        if counts["cannot be"]
        else f"{finding.text} Of the {len(grid.cells)} configurations of the post, {counts['run']} were run and "
        f"{counts['left']} are left; none is too long for this song."
    )
    numbers = {**finding.numbers, "configurations": counts, "grid": table}
    if grid.contradictions:
        text = f"grid.json says otherwise than the song's length: {'; '.join(grid.contradictions[:3])}."
        by = f"{len(grid.contradictions)} of {len(grid.cells)} configurations, such as {grid.contradictions[0]}"
        return Finding(Verdict.DIFFERS, text, numbers, (evidence.root / GRID,), by)
    return Finding(finding.verdict, text, numbers, finding.files)


def next_frame_targets(evidence: Evidence) -> Finding:
    """P05: split as in 2016, as many examples as fit end to end, targets one frame later, by the dev cost again."""
    seen: list[Seen] = []
    again, unseen, largest = 0, [], 0.0
    for run in evidence.complete:
        odd = _split_elsewhere(run) + _miscounted(run)
        if altered := run.altered("best"):
            odd.append(altered)
        files = [run.path("config.json")]
        try:
            cost = evidence.dev_cost(run)
            again, largest = again + 1, max(largest, cost.error)
            files += [run.path("metrics.jsonl"), run.best_parameters]
            if cost.offset != 1:
                odd.append(
                    f"its dev cost {cost.reported:.6g} is not that of the next frame ({cost.computed[1]:.6g}, "
                    f"{cost.away:.2%} off)" + ("" if cost.offset is None else f" but of the frame {cost.offset} later")
                )
        except RunError as error:
            unseen.append(str(error))
        seen.append(Seen(run.name, not odd, "; ".join(odd), tuple(files)))
    good = (
        f"In {all_of(seen)} runs the song is split where it was in 2016 ({_SPLIT:.4%} of it), and the numbers of train "
        "and dev examples are those of sequences laid end to end with targets one frame later. For "
        f"{again} of them the best dev cost was computed again from shards and "
        f"parameters against the next frame, and agrees to {largest:.1e} ({TOLERANCE:.1%} at most would pass)."
    )
    if unseen:
        good += f" {len(unseen)} could not be computed again ({unseen[0]})."
    numbers = {
        "runs_computed_again": again, "largest_difference": largest, "tolerance": TOLERANCE, "share_of_train": _SPLIT,
    }  # fmt: skip
    finding = every_run(seen, good, "No run is complete.", numbers)
    counted = f"The examples are as many as fit, but no dev cost could be computed again ({'; '.join(unseen[:1])})."
    return unless_unseen(finding, again, counted)


def one_rate(evidence: Evidence) -> Finding:
    """P18: as many samples a second in what was generated as in the song, by the wavs' own headers."""
    seen: list[Seen] = []
    rates = sorted({run.of("song.sample_rate") for run in evidence.complete})
    for run in evidence.complete:
        rate, files = run.of("song.sample_rate"), [run.path("config.json")]
        odd = []
        try:
            song = evidence.song(run)
            files.append(song.index)
            if song.sample_rate != rate:
                odd.append(f"its song has {song.sample_rate:,} samples a second, its config.json {rate:,}")
        except RunError:
            pass  # P01 says that the song is not here
        if run.has_sound:
            files.append(run.path("generated.wav"))
            try:
                if run.wav.sample_rate != rate:
                    odd.append(f"its sound has {run.wav.sample_rate:,} samples a second, its song {rate:,}")
            except RunError:
                pass  # P12 to P15 say that the wav cannot be read
        if len(rates) > 1:
            odd.append(f"{rate:,} samples a second, one of {len(rates)} rates ({_listed(rates)})")
        seen.append(Seen(run.name, not odd, "; ".join(odd), tuple(files)))
    sounds = sum(run.has_sound for run in evidence.complete)
    good = (
        f"In {all_of(seen)} runs samples are taken at one rate, {_listed(rates)} a second, and so are those of "
        f"{sounds} sounds, by their headers. The post names no rate."
    )
    return every_run(seen, good, "No run is complete.", {"sample_rates": rates, "sounds": sounds})


def _split_elsewhere(run: Run) -> list[str]:
    """Say where the train split does not end at the fraction of FACTS section 2, rounded down to a sample."""
    samples, held = run.of("song.samples"), run.of("data.train_samples")
    due = {samples * ORIGINAL_SONG.train_samples // ORIGINAL_SONG.samples}
    extremes = run.of("song.minimum"), run.of("song.maximum")
    if ORIGINAL_SONG.recognise(run.of("song.sample_rate"), samples, *extremes).same:
        due.add(ORIGINAL_SONG.train_samples)  # a copy of the song of 2016 may be a little longer or shorter
    if held in due:
        return []
    return [f"its train split has {held:,} of {samples:,} samples, {held / samples:.4%} and not {_SPLIT:.4%}"]


def _miscounted(run: Run) -> list[str]:
    """Say where a run's numbers of examples are not those of the arithmetic of FACTS section 5."""
    due = dict(zip(("train_examples", "dev_examples"), examples_due(run), strict=True))
    return [
        f"{run.of(f'data.{key}'):,} {key.replace('_', ' ')}, where {count:,} fit"
        for key, count in due.items()
        if run.of(f"data.{key}") != count
    ]


def _axis(evidence: Evidence, key: str, values: Sequence[int], what: str, unit: str) -> Finding:
    """Judge one axis of the post's grid: each value run, cannot be, or left."""
    runs = evidence.described
    there = {value: sum(run.of(f"data.{key}") == value for run in runs) for value in values}
    others = sorted({run.of(f"data.{key}") for run in runs} - set(values))
    files = tuple(run.path("config.json") for run in runs if run.of(f"data.{key}") in there)
    done = [value for value in values if there[value]]
    grid = Grid.of(evidence)
    impossible = [v for v in values if grid is not None and not there[v] and grid.cannot_be(key, v)]
    left = [v for v in values if not there[v] and v not in impossible]
    numbers: dict[str, Any] = {
        "runs_by_value": {str(value): count for value, count in there.items()},
        "cannot_be": impossible,
        "left": left,
        "not_stated_by_the_post": others,
    }
    text = f"{len(done)} of {len(values)} {what} were run ({_listed(done) or 'none'} {unit})."
    if others:
        text += f" Runs with {_listed(others)} {unit} are none of the post's."
    if impossible and grid is not None:
        text += (
            f" {_listed(impossible)} cannot be on this song at any length: one example needs "
            f"{grid.needed(key, impossible[0]):,} samples or more, and the train split has {grid.train_samples:,}."
        )
    if left:
        text += f" Left: {_listed(left)}."
    if others and not done:
        return Finding(Verdict.NOT_STATED, text, numbers, files)
    if left or not done:
        return Finding(Verdict.NO_EVIDENCE, text, numbers, files)
    return Finding(Verdict.CANNOT_BE if impossible else Verdict.REPRODUCED, text, numbers, files)


def _listed(values: Sequence[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)
