"""D01, D05 to D09, D11, D12: how the 2016 code trained, and how these runs did."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from longsong.audit.carried_axis import carried_axis
from longsong.audit.evidence import Evidence
from longsong.audit.network import cell_of, expected_shapes, layers_of
from longsong.audit.normalisation import EXACT, is_by_deviation
from longsong.audit.passes import examples_due, heard_in_training
from longsong.audit.revaluate import TOLERANCE
from longsong.audit.verdicts import Finding, Seen, Verdict, all_of, as_coded, every_run, others
from longsong.errors import RunError, UnreadableError
from longsong.reported import BATCH, CODE_CONFIGURATIONS, EPOCHS, SEQUENCES

__all__ = [
    "example_counts", "forget_bias", "mean_subtracted", "other_configurations", "overlap", "recurrence_axis",
    "storage", "when_evaluated",
]  # fmt: skip

_NO_RUN = "No run is complete."
_BYTES_2016 = 16
"""D09: two float64 arrays, inputs and targets."""
_BYTES_DESCRIBED = 4
"""D09: int16 twice over, for what surrounds the samples of a short song; raw samples take 2."""


def recurrence_axis(evidence: Evidence) -> Finding:
    """D01: the axis that the state is carried along, by the dev cost that it gives, or else by the first update.

    That a run says so is not enough to have it do as the 2016 code did.
    """
    carried = {run.name: carried_axis(evidence, run) for run in evidence.complete}
    shown = Counter(one.shown_by for one in carried.values() if one.axis)
    word = [f"{name}: {one.says}" for name, one in carried.items() if one.axis is one.shown_by is None]
    seen = [
        Seen(name, one.axis == "batch", one.says, one.files, one.neither)
        for name, one in carried.items()
        if one.axis or one.neither
    ]
    moved = [one.change for one in carried.values() if one.change is not None]
    otherwise = f"{others(seen)} runs carry the state along time, as the post describes."
    if again := shown["dev cost"]:
        otherwise += f" The dev costs of {again} runs were computed again and agree with the axis that they name."
    if by_update := shown["first update"]:
        otherwise += f" Of {by_update} more the first update does."
    if moved:
        otherwise += (
            f" Over the other axis the dev costs of {len(moved)} runs would change by {min(moved):+.3%} to "
            f"{max(moved):+.3%}."
        )
    alone = f"{len(word)} say that the recurrence is over the mini-batch, and nothing shows it ({'; '.join(word[:3])})."
    otherwise += f" {alone}" if word else ""
    numbers = {
        "runs_computed_again": again,
        "runs_by_their_first_update": by_update,
        "runs_of_their_word_alone": len(word),
        "tolerance": TOLERANCE,
        "change_over_the_other_axis": [min(moved), max(moved)] if moved else None,
    }
    by = f"{others(seen)} runs along time, 0 over the examples of a mini-batch"
    if moved:
        by += f"; that changes the dev cost by up to {max(map(abs, moved)):.3%}"
    return as_coded(seen, otherwise, alone if word else _NO_RUN, numbers, by=by)


def other_configurations(evidence: Evidence) -> Finding:
    """D05: runs with what the code's configurations have and the post does not."""
    post = {
        "data.seq": SEQUENCES, "data.batch": (BATCH,), "training.epochs": (EPOCHS,), "data.normalise": ("minmax",),
    }  # fmt: skip
    own = {
        key: sorted({getattr(c, key.split(".")[1]) for c in CODE_CONFIGURATIONS} - set(of)) for key, of in post.items()
    }
    seen = []
    for run in evidence.complete:
        held = [f"{key.split('.')[1]} {run.of(key)}" for key, of in own.items() if run.of(key) in of]
        mislabelled = run.of("data.normalise") == "stdev" and not is_by_deviation(evidence, run)
        if mislabelled:
            held = [
                f"normalise stdev by its configuration, and its scale {run.of('song.scale'):.4g} is not that of the "
                "song's standard deviation"
            ]
        seen.append(
            Seen(run.name, bool(held) and not mislabelled, ", ".join(held), (run.path("config.json"),), mislabelled)
        )
    listed = "; ".join(f"{key.split('.')[1]} {', '.join(map(str, of))}" for key, of in own.items())
    held_here = "; ".join(
        f"{key.split('.')[1]} {', '.join(map(str, sorted({run.of(key) for run in evidence.complete})))}" for key in own
    )
    by = f"{held_here}, where the code has {listed}"
    otherwise = f"{others(seen)} runs have nothing of what the code has and the post has not ({listed})."
    return as_coded(seen, otherwise, _NO_RUN, {key.split(".")[1]: of for key, of in own.items()}, by=by)


def forget_bias(evidence: Evidence) -> Finding:
    """D06: no forget bias is in force, as none was in 2016: no such parameter, no such setting."""
    seen = []
    for run in evidence.complete:
        files: tuple[Path, ...] = (run.path("config.json"),)
        setting = run.config["model"].get("forget_bias")
        odd = [f"forget bias {setting}, not 0"] if setting else []
        try:
            shapes, files = run.shapes, (*files, run.last_parameters)
            due = expected_shapes(cell_of(shapes), run.of("data.frame"), run.of("model.hidden"), layers_of(shapes))
            more = sorted(shapes.keys() - due.keys())
            odd += [f"{len(more)} more parameters than the equations have: {', '.join(more[:3])}"] if more else []
        except UnreadableError:
            raise
        except RunError as error:
            odd.append(str(error))
        seen.append(Seen(run.name, not odd, "; ".join(odd[:3]), files))
    good = (
        f"No forget bias is in force in {all_of(seen)} runs, as none was in 2016: their parameters are those of the "
        "equations, name for name, and no other."
    )
    return every_run(seen, good, _NO_RUN)


def overlap(evidence: Evidence) -> Finding:
    """D07: examples laid end to end, as the updates of the 2016 curves show."""
    seen = []
    for run in evidence.complete:
        hop, length = run.of("data.hop"), run.of("data.frame") * run.of("data.seq")
        due = -(-run.of("data.train_examples") // run.of("data.batch"))
        odd = []
        if hop != length:
            heard, dev = heard_in_training(run), run.of("data.dev_examples")
            odd.append(f"hop of {hop:,} for {length:,} samples; {heard:,} of {dev:,} dev examples share train audio")
        if run.altered("metrics"):
            continue  # P06, P07 and P11 name it
        if (made := int((run.metrics.updates.column("epoch") == 1).sum())) != due:
            odd.append(f"{made:,} updates in the first epoch, where {due:,} are due")
        seen.append(Seen(run.name, not odd, "; ".join(odd), (run.path("config.json"), run.path("metrics.jsonl"))))
    good = (
        f"In {all_of(seen)} runs examples do not overlap (hop = frame x seq), as in most versions of 2016, and the "
        "updates of an epoch agree with that, as those of the 2016 curves do."
    )
    return every_run(seen, good, _NO_RUN)


def example_counts(evidence: Evidence) -> Finding:
    """D08: the number of train examples is that of the right arithmetic, or of samples / frame x seq as it is read."""
    seen = []
    for run in evidence.complete:
        fit = examples_due(run)[0]
        held, frame, seq = (run.of(f"data.{name}") for name in ("train_examples", "frame", "seq"))
        # Without brackets around frame x seq, from left to right.
        coded = held != fit and held == run.of("data.train_samples") // frame * seq
        says = f"{held:,} train examples, where {fit:,} fit" + (" and the wrong precedence gives as many" * coded)
        seen.append(Seen(run.name, coded, says, (run.path("config.json"),), held != fit and not coded))
    otherwise = (
        f"{others(seen)} runs count as many train examples as fit; the copies of "
        "2016 that counted wrongly could not run at all."
    )
    return as_coded(seen, otherwise, _NO_RUN, by=f"0 examples more or less than fit, in {others(seen)} runs")


def storage(evidence: Evidence) -> Finding:
    """D09: bytes on disk for each sample of the song, once for all configurations."""
    seen, numbers, unseen = [], {}, []
    shapes = {(run.of("data.frame"), run.of("data.seq")) for run in evidence.complete}
    for folder in sorted({run.of("song.shards") for run in evidence.complete}):
        run = next(run for run in evidence.complete if run.of("song.shards") == folder)
        try:
            song = evidence.song(run)
        except RunError as error:
            unseen.append(str(error))
            continue
        each = song.disk_bytes / song.samples
        numbers = {
            "bytes_on_disk": song.disk_bytes,
            "bytes_per_sample": each,
            "configurations": len(shapes),
            "bytes_of_2016": _BYTES_2016 * song.samples * len(shapes),
        }
        coded = each >= _BYTES_2016
        neither = not coded and each > _BYTES_DESCRIBED
        seen.append(Seen(song.folder.name, coded, f"{each:.2f} bytes a sample", (song.index,), neither))
    otherwise = (
        f"{numbers.get('bytes_per_sample', 0):.2f} bytes on disk for each sample, once for all {len(shapes)} "
        f"configurations; the code of 2016 kept {_BYTES_2016} for each sample and configuration, "
        f"{numbers.get('bytes_of_2016', 0) / max(1, numbers.get('bytes_on_disk', 0)):,.0f} times as many."
    )
    nothing = f"No shards could be looked at{f' ({unseen[0]})' if unseen else ''}."
    by = f"{numbers.get('bytes_per_sample', 0):.2f} bytes a sample in all, not {_BYTES_2016} for each configuration"
    return as_coded(seen, otherwise, nothing, numbers, by=by)


def when_evaluated(evidence: Evidence) -> Finding:
    """D11: dev evaluations against updates."""
    seen, evaluations, updates = [], 0, 0
    for run in evidence.complete:
        if run.altered("metrics"):
            continue  # P06, P07 and P11 name it
        places = run.metrics.evaluations.column("update").tolist()
        made, steps = len(places), len(run.metrics.updates)
        evaluations, updates = evaluations + made, updates + steps
        last = dict(run.metrics.updates.rows("epoch", "update"))  # of each epoch
        described = places == [0, *last.values()]
        coded = not described and places in (list(range(steps + 1)), list(range(1, steps + 1)))
        says = f"{made:,} evaluations in {steps:,} updates and {run.of('training.epochs')} epochs"
        neither = not (described or coded)
        seen.append(Seen(run.name, coded, says, (run.path("metrics.jsonl"),), neither))
    otherwise = (
        f"{others(seen)} runs evaluate the dev split before the first epoch and "
        f"after each: {evaluations:,} times in {updates:,} updates."
    )
    by = f"{evaluations:,} evaluations in {updates:,} updates, {evaluations / max(1, updates):.2f} an update and not 1"
    return as_coded(seen, otherwise, _NO_RUN, {"evaluations": evaluations, "updates": updates}, by=by)


def mean_subtracted(evidence: Evidence) -> Finding:
    """D12: where min-max normalisation puts the song's own minimum and maximum."""
    seen, others, shifts = [], [], []
    for run in evidence.complete:
        lowest, highest, mean = (run.of(f"song.{key}") for key in ("minimum", "maximum", "mean"))
        files: tuple[Path, ...] = (run.path("config.json"),)
        try:
            song = evidence.song(run)
            lowest, highest, mean, files = song.minimum, song.maximum, song.mean, (*files, song.index)
        except RunError:
            pass  # P01 says that the song is not here; the run's own numbers stand in for it
        if run.of("data.normalise") == "none" or is_by_deviation(evidence, run):
            others.append(f"{run.name}: {run.of('data.normalise')}")
            continue
        scale, offset = run.of("song.scale"), run.of("song.offset")
        ends = (scale * lowest + offset, scale * highest + offset)
        says = f"[{lowest}, {highest}] becomes [{ends[0]:.6f}, {ends[1]:.6f}]"
        whole = abs(ends[0] + 1) <= EXACT and abs(ends[1] - 1) <= EXACT
        shift = scale * mean
        shifts.append(abs(shift))
        coded = not whole and abs(ends[0] + 1 + shift) <= EXACT and abs(ends[1] - 1 + shift) <= EXACT
        if coded:
            says += f": shifted by the mean, {mean:.3f}"
        seen.append(Seen(run.name, coded, says, files, not (whole or coded)))
    numbers: dict[str, Any] = {"runs_of_other_normalisations": len(others)}
    if others and not seen:
        text = f"No run is normalised by minimum and maximum ({'; '.join(others[:3])})."
        return Finding(Verdict.NOT_STATED, text, numbers)
    mapped = [one for one in seen if not (one.holds or one.neither)]
    otherwise = f"{len(mapped)} of {len(seen)} runs map the song's own minimum and maximum to -1 and 1" + (
        f", computed from all samples: {Path(mapped[0].run).name}: {_range(evidence, mapped[0].run)}."
        if mapped
        else "."
    )
    by = f"0 to within {EXACT:g}, where the mean would shift the range by {max(shifts, default=0.0):.2e}"
    return as_coded(seen, otherwise, _NO_RUN, numbers, by=by)


def _range(evidence: Evidence, name: str) -> str:
    """Say what a run maps to what."""
    run = next(run for run in evidence.complete if run.name == name)
    lowest, highest = run.of("song.minimum"), run.of("song.maximum")
    scale, offset = run.of("song.scale"), run.of("song.offset")
    return f"[{lowest}, {highest}] becomes [{scale * lowest + offset:.6f}, {scale * highest + offset:.6f}]"
