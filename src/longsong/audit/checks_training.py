"""P06, P07, P10: mini-batches, epochs, and the network's shape."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from longsong.audit.copied_runs import copied_runs
from longsong.audit.evidence import Evidence
from longsong.audit.network import cell_of, layers_of, recurrent_parameters
from longsong.audit.revaluate import fuel_order
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, Verdict, all_of, every_run
from longsong.errors import RunError, UnreadableError
from longsong.reported import BATCH, EPOCHS, LAYERS, WIDTHS

__all__ = ["epochs", "mini_batches", "two_layers"]


def mini_batches(evidence: Evidence) -> Finding:
    """P06: mini-batches of 128, each with one update, in Fuel's order, by number, size and index digest; no copies."""
    seen, updates, checked = [], 0, 0
    copies = copied_runs(evidence.complete)
    for run in evidence.described:
        files = (run.path("metrics.jsonl"), run.path("config.json"))
        altered = run.altered("metrics")
        odd = [altered] if altered else _batches_odd(run)
        if run.name in copies:
            count = len(run.metrics.updates)
            odd.append(f"a copy of {copies[run.name]}: the costs and seconds of its {count:,} updates are the same")
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
        if not odd:
            updates += len(run.metrics.updates)
            checked += int(run.metrics.updates.column("examples").sum())
    good = (
        f"{updates:,} updates of {len(seen)} runs, one for each mini-batch of {BATCH} (the last of an epoch may be "
        f"shorter); every train example once an epoch; the indices of all {checked:,} examples are in the order "
        "of Fuel's shuffled scheme. No run is a copy of another: each has costs and seconds of its own."
    )
    return every_run(seen, good, "No run is complete.", {"updates": updates, "examples": checked, "batch": BATCH})


def _batches_odd(run: Run) -> list[str]:
    lines, examples = run.metrics.updates, run.of("data.train_examples")
    numbers, sizes = (lines.column(name).tolist() for name in ("update", "examples"))
    for number, update in enumerate(numbers, 1):
        if update != number:
            return [f"update {update} stands where number {number} is due"]
    epochs = run.of("training.epochs")
    order = fuel_order(examples, BATCH, run.of("training.seed"), epochs)
    for update, size, due in zip(numbers, sizes, order, strict=False):
        if size != len(due):
            return [f"update {update} has {size} examples, not {len(due)}"]
    if len(lines) != len(order):
        return [f"{len(lines):,} updates, where {epochs} epochs of {examples:,} examples have {len(order):,}"]
    other = [
        update
        for update, digest, due in zip(numbers, run.metrics.indices, order, strict=True)
        if digest.tobytes() != hashlib.sha256(due.astype("<i8").tobytes()).digest()
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
        evaluated = Counter(epoch for (epoch,) in run.metrics.evaluations.rows("epoch") if epoch)
        uneven = len(set(evaluated.values())) > 1  # D11 has as many in each epoch
        counts = {
            "config.json": run.of("training.epochs"),
            "summary.json": run.summary["epochs"],
            "updates": len(np.unique(run.metrics.updates.column("epoch"))),
            "dev evaluations": len(evaluated),
        }
        says = ", ".join(f"{count} epochs by its {where}" for where, count in counts.items())
        if uneven:
            says += f", in which it was evaluated {min(evaluated.values())} to {max(evaluated.values())} times each"
        source = run.of("training.start_from")
        if source is not None:
            says += f", on top of those that its first parameters, which are those of {source}, were trained for"
        seen.append(Seen(run.name, set(counts.values()) == {EPOCHS} and not uneven and source is None, says, files))
    good = (
        f"{all_of(seen)} runs made {EPOCHS} epochs, by their updates, their dev evaluations and their summaries, and "
        "none began with the parameters of another."
    )
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
    except UnreadableError:
        raise
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
