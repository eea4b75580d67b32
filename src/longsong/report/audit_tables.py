"""What an audit holds beside its claims, as tables: parity with the original stack, what configurations take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longsong.audit.parity import KINDS
from longsong.report.figure import number
from longsong.report.table import Table
from longsong.report.words import NONE, shape_words
from longsong.units import human_bytes, human_seconds, human_time

__all__ = ["feasibility_tables", "parity_table"]


def parity_table(parity: Mapping[str, Any]) -> Table:
    """Give the largest error of each kind, for each golden file and over all (`longsong.audit.parity.Parity`)."""
    head = ["golden file", "cell", "state over", *KINDS, "order of examples", "within the tolerances"]
    rows = [
        [
            str(file["name"]),
            str(file["cell"]).upper(),
            str(file["recurrence"]),
            *(_error(file["errors"], kind) for kind in KINDS),
            "the same" if file["order"] else "ANOTHER",
            "yes" if file["passes"] else "NO",
        ]
        for file in parity["files"]
    ]
    largest = ["the largest", "", "", *(_error(parity["largest"], kind) for kind in KINDS), "", ""]
    caption = (
        f"Largest error, max |a - b| / max |b| over each tensor; at most {parity['forward_tolerance']:.0e} for "
        f"{', '.join(KINDS[:3])}, {parity['training_tolerance']:.0e} for the rest. Computed as: {parity['form']}"
    )
    return Table(caption, head, [*rows, largest])


def _error(errors: Mapping[str, Any], kind: str) -> str:
    value = errors[kind]
    # One word: a hyphen is where a browser breaks lines.
    return "not finite" if value is None else f"{value:.1e}".replace("-", "\N{NON-BREAKING HYPHEN}")


def feasibility_tables(found: tuple[Mapping[str, Any], ...]) -> list[Table]:
    """Give a table for each width: what each configuration of the post takes, estimated before and measured after."""
    head = [
        "configuration", "examples", "updates", "song needed", "memory, nothing twice", "memory: estimate",
        "measured", "time: estimate", "measured", "what came of it",
    ]  # fmt: skip
    return [
        Table(
            f"{hidden} units in each of two layers, {_parameters(found, hidden)}",
            head,
            [_row(one) for one in found if one["hidden"] == hidden],
        )
        for hidden in dict.fromkeys(one["hidden"] for one in found)
    ]


def _parameters(found: tuple[Mapping[str, Any], ...], hidden: int) -> str:
    counts = [one["parameters"] for one in found if one["hidden"] == hidden]
    return f"{min(counts):,} to {max(counts):,} parameters"


def _row(one: Mapping[str, Any]) -> list[str]:
    examples, updates = one["train_examples"], one["updates"]
    needed, for_dev = (human_seconds(one[key]) for key in ("seconds_for_training", "seconds_for_dev"))
    return [
        shape_words(one["frame"], one["seq"]),
        f"{examples:,} train, {one['dev_examples']:,} dev" if examples else NONE,
        f"{updates:,}" if examples else NONE,
        needed if needed == for_dev else f"{needed}; with a dev example {for_dev}",
        human_bytes(one["bytes_kept"]),
        _of(one, "estimated_bytes", human_bytes),
        _of(one, "measured_bytes", human_bytes),
        _of(one, "estimated_seconds", human_time),
        _of(one, "measured_seconds", human_time),
        str(one["run"] or ": ".join(word for word in (one["state"], one["reason"]) if word)),
    ]


def _of(one: Mapping[str, Any], key: str, say: Any) -> str:
    value = number(one, key)
    return NONE if value is None else str(say(value))
