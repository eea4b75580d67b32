"""P06, P07, P10, P11: mini-batches, epochs, the network's shape and its cost."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from longsong.audit.evidence import Evidence
from longsong.audit.network import cell_of, layers_of, recurrent_parameters
from longsong.audit.passes import first_samples
from longsong.audit.revaluate import TOLERANCE, fuel_order
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.audit.verdicts import Finding, Seen, Verdict, all_of, every_run, unless_unseen
from longsong.errors import RunError
from longsong.reported import BATCH, EPOCHS, LAYERS, WIDTHS

__all__ = ["epochs", "mean_square", "mini_batches", "two_layers"]

_NEAR_ZERO = 0.1
"""How far the first dev cost may be from that of predicting zero: initial weights of 0.04 predict about zero."""


def mini_batches(evidence: Evidence) -> Finding:
    """P06: mini-batches of 128, each with one update, in Fuel's order, by number, size and index digest."""
    seen, updates, checked = [], 0, 0
    for run in evidence.described:
        files = (run.path("metrics.jsonl"), run.path("config.json"))
        altered = run.altered("metrics")
        odd = [altered] if altered else _batches_odd(run)
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
        if not odd:
            updates += len(run.metrics.updates)
            checked += sum(line["examples"] for line in run.metrics.updates)
    good = (
        f"{updates:,} updates of {len(seen)} runs, one for each mini-batch of {BATCH} (the last of an epoch may be "
        f"shorter); every train example once an epoch; the indices of all {checked:,} examples are in the order "
        "of Fuel's shuffled scheme."
    )
    return every_run(seen, good, "No run is complete.", {"updates": updates, "examples": checked, "batch": BATCH})


def _batches_odd(run: Run) -> list[str]:
    lines, examples = run.metrics.updates, run.of("data.train_examples")
    for number, line in enumerate(lines, 1):
        if line["update"] != number:
            return [f"update {line['update']} stands where number {number} is due"]
    epochs = run.of("training.epochs")
    order = fuel_order(examples, BATCH, run.of("training.seed"), epochs)
    for line, due in zip(lines, order, strict=False):
        if line["examples"] != len(due):
            return [f"update {line['update']} has {line['examples']} examples, not {len(due)}"]
    if len(lines) != len(order):
        return [f"{len(lines):,} updates, where {epochs} epochs of {examples:,} examples have {len(order):,}"]
    other = [
        line["update"]
        for line, due in zip(lines, order, strict=True)
        if line["indices_sha256"] != hashlib.sha256(due.astype("<i8").tobytes()).hexdigest()
    ]
    if other:
        return [f"the examples of {len(other):,} of {len(lines):,} updates (first: update {other[0]}) are not Fuel's"]
    return []


def epochs(evidence: Evidence) -> Finding:
    """P07: 30 epochs, by configuration, summary, and the lines of the metrics."""
    seen = []
    for run in evidence.described:
        files = (run.path("metrics.jsonl"), run.path("summary.json"), run.path("config.json"))
        altered = run.altered("metrics")
        if altered:
            seen.append(Seen(run.name, False, altered, files))
            continue
        counts = {
            "config.json": run.of("training.epochs"),
            "summary.json": run.summary["epochs"],
            "updates": len({line["epoch"] for line in run.metrics.updates}),
            "dev evaluations": len({line["epoch"] for line in run.metrics.evaluations} - {0}),
        }
        says = ", ".join(f"{count} epochs by its {where}" for where, count in counts.items())
        seen.append(Seen(run.name, set(counts.values()) == {EPOCHS}, says, files))
    good = f"{all_of(seen)} runs made {EPOCHS} epochs, by their updates, their dev evaluations and their summaries."
    return every_run(seen, good, "No run is complete.", {"epochs": EPOCHS})


def two_layers(evidence: Evidence) -> Finding:
    """P10: two layers of 199 or 256 units, counted in the parameters' shapes."""
    seen: list[Seen] = []
    widths: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for run in evidence.described:
        if run.of("model.cell") != "gru":
            continue  # P08 and P09 speak of the other cells
        odd, files = _shape_odd(run)
        hidden = run.of("model.hidden")
        (widths if hidden in WIDTHS else others)[hidden] += 1
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    numbers: dict[str, Any] = {
        "layers": LAYERS,
        "runs_by_width": {str(width): widths[width] for width in WIDTHS},
        "runs_of_other_widths": {str(width): count for width, count in sorted(others.items())},
    }
    missing = [width for width in WIDTHS if not widths[width]]
    shown = ", ".join(f"{widths[width]} of width {width}" for width in WIDTHS)
    good = f"{all_of(seen)} GRU runs have {LAYERS} layers, by the shapes of their parameters: {shown}."
    if others:
        listed = ", ".join(map(str, sorted(others)))
        good += f" {others.total()} have another width ({listed}), which is none of the post's."
    finding = every_run(seen, good, "No GRU run is complete.", numbers)
    if finding.verdict is not Verdict.REPRODUCED or not missing:
        return finding
    if not widths:
        return Finding(Verdict.NOT_STATED, good, finding.numbers, finding.files)
    text = f"{good} Width {' and '.join(map(str, missing))} is left to run."
    return Finding(Verdict.NO_EVIDENCE, text, finding.numbers, finding.files)


def _shape_odd(run: Run) -> tuple[list[str], tuple[Path, ...]]:
    """Say where layers and parameter counts are not those of FACTS section 4."""
    files: tuple[Path, ...] = (run.path("config.json"), run.path("summary.json"))
    try:
        shapes, files = run.shapes, (*files, run.last_parameters)
        cell, layers = cell_of(shapes), layers_of(shapes)
    except RunError as error:
        return [str(error)], files
    hidden, odd = run.of("model.hidden"), []
    if layers != LAYERS or run.of("model.layers") != layers:
        odd.append(f"{layers} layers")
    outside = ("input_to_hidden.", "hidden_to_output.")
    held = sum(int(np.prod(shape)) for name, shape in shapes.items() if not name.startswith(outside))
    due = layers * recurrent_parameters(cell, hidden)
    if cell != run.of("model.cell") or held != due:
        odd.append(f"{held:,} recurrent parameters of a {cell}, where {layers} layers of {hidden} GRUs have {due:,}")
    stated = {run.of("model.parameters"), run.summary["parameters"]}
    if stated != {run.parameter_count}:
        odd.append(f"{run.parameter_count:,} parameters on disk, where its files say {sorted(stated)}")
    altered = run.altered("parameters") or run.altered("best")
    return ([altered] if altered else odd), files


def mean_square(evidence: Evidence) -> Finding:
    """P11: the cost is a mean of squares: at its first value, and computed again at its best."""
    seen: list[Seen] = []
    again, first, largest = 0, [], 0.0
    for run in evidence.complete:
        if not run.of("data.dev_examples"):
            continue
        files = (run.path("metrics.jsonl"), run.path("summary.json"))
        odd = [text] if (text := run.altered("metrics")) else []
        if not odd:
            ratio = _first_ratio(evidence, run)
            if ratio is not None:
                first.append(ratio)
                if abs(ratio - 1) > _NEAR_ZERO:
                    odd.append(f"its first dev cost is {ratio:,.4g} times the mean of the targets' squares")
            try:
                cost = evidence.dev_cost(run)
                again, largest = again + 1, max(largest, cost.error)
                if cost.way is None:
                    odd.append(
                        f"its best dev cost is {cost.reported:.6g}, computed again it is {cost.computed[1]:.6g} "
                        f"({cost.away:.2%} off)"
                    )
                elif cost.way != "mean":
                    odd.append(f"its best dev cost {cost.reported:.6g} is a {cost.way}, {cost.ways[cost.way]:g} means")
            except RunError:
                pass  # P05 names those that could not be computed again
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    numbers: dict[str, Any] = {
        "runs_computed_again": again,
        "first_dev_cost_over_mean_square": [min(first), max(first)] if first else None,
        "largest_difference": largest,
        "tolerance": TOLERANCE,
    }
    good = f"In {all_of(seen)} runs the cost is a mean of squares."
    if first:
        good += (
            f" Before the first update, when the network predicts about zero, it is {min(first):.3f} to "
            f"{max(first):.3f} times the mean of the targets' squares."
        )
    good += (
        f" The best one was computed again for {again} runs and agrees to {largest:.1e} ({TOLERANCE:.1%} at most would "
        "pass)."
    )
    finding = every_run(seen, good, "No complete run has a dev example.", numbers)
    return unless_unseen(finding, again, "No dev cost could be computed again.")


def _first_ratio(evidence: Evidence, run: Run) -> float | None:
    """Give the dev cost before training over the mean of the targets' squares; None where it tells nothing."""
    line = run.metrics.evaluations[0] if run.metrics.evaluations else None
    if run.of("training.start_from") is not None or line is None or line["epoch"] or line["dev_cost"] is None:
        return None
    try:
        square = _targets_square(run, evidence.song(run))
    except RunError:
        square = float(run.summary["cost_of_zero"])
    return float(line["dev_cost"] / square) if square > 0 else None


def _targets_square(run: Run, song: SeenSong) -> float:
    """Compute the mean of the squares of the dev split's targets from the song."""
    frame, length = run.of("data.frame"), run.of("data.frame") * run.of("data.seq")
    total, starts = 0.0, first_samples(run, "dev") + frame
    if not len(starts):
        raise RunError(f"{run.name} can have no dev example")
    for at in map(int, starts):
        piece = song.normalised(at, at + length, run.of("song.scale"), run.of("song.offset"))
        total += float(np.square(piece, dtype=np.float64).sum())
    return total / float(len(starts) * length)
