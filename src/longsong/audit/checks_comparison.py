"""P08 and P09: LSTM against GRU, by parameters, time and dev cost (`longsong.audit.cells`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.audit.cells import COMPARABLE, SEEDS, CellComparison, Comparisons, Told, compare_cells
from longsong.audit.evidence import Evidence
from longsong.audit.verdicts import Finding, Verdict

__all__ = ["comparable", "no_difference"]

_LSTM = "lstm"


def comparable(evidence: Evidence) -> Finding:
    """P08: LSTM and GRU within 5 % in dev cost, and the GRU, with fewer parameters, oftener the faster."""
    found = compare_cells(evidence)
    numbers: dict[str, Any] = {"comparable_within": COMPARABLE, "comparisons": [one.numbers() for one in found.rows]}
    lstm, nothing = _witnesses(found, found.rows, numbers)
    if nothing is not None:
        return nothing
    if found.unread:
        text = f"What was measured side by side: {found.unread}."
        return Finding(Verdict.DIFFERS, text, numbers, _files(found.rows), by=found.unread)
    told = {kind: [one for one in lstm if one.told is kind] for kind in Told}
    fewer = [one for one in lstm if one.parameters > one.gru_parameters]
    faster = [one for one in lstm if one.slower > 1]
    numbers |= {"gru_faster_in": len(faster), "of": len(lstm)}
    numbers |= {kind.value: len(told[kind]) for kind in (Told.ALIKE, Told.APART, Told.OPEN)}
    unseen = sum(one.beside is None for one in lstm)
    of = f"{len(lstm)} configuration{'' if len(lstm) == 1 else 's'} in which one of them has learnt"
    blind = sum(one.told is Told.NOTHING and one.cell == _LSTM for one in found.rows)
    how = f"in {unseen} of them by the runs' own seconds" if unseen else "measured side by side"
    text = (
        f"LSTM and GRU do equally well in {len(told[Told.ALIKE])} of {of}, and the GRU is faster in {len(faster)}. "
        f"Equally well is within {COMPARABLE:.0%} in dev cost; in {len(told[Told.APART])} they are further apart, and "
        f"in {len(told[Told.OPEN])} more random seeds are needed to tell. The GRU has fewer parameters in {len(fewer)} "
        f"and takes less time per update in {len(faster)} ({how}). {' '.join(one.sentence() for one in lstm)}"
    )
    if blind:
        text += f" In {blind} more configuration{'' if blind == 1 else 's'} neither has learnt, which tells nothing."
    by = [f"dev cost {one.cost.mean:+.1%} ({one.where})" for one in told[Told.APART]]
    by += [
        f"{one.parameters / one.gru_parameters:.2f} times the parameters ({one.where})"
        for one in lstm
        if one not in fewer
    ]
    if 2 * len(faster) <= len(lstm):
        by.append(f"the GRU faster in {len(faster)} of {len(lstm)}")
    if by:
        return Finding(Verdict.DIFFERS, text, numbers, _files(found.rows), by="; ".join(by))
    verdict = Verdict.NO_EVIDENCE if told[Told.OPEN] else Verdict.REPRODUCED
    return Finding(verdict, text, numbers, _files(found.rows))


def no_difference(evidence: Evidence) -> Finding:
    """P09: no difference between LSTM and GRU is seen, and one of 5 % would have been.

    Each paired 95 % interval holds zero and lies within 5 %; one that is wider tells nothing yet.
    """
    found = compare_cells(evidence)
    rows = tuple(one for one in found.rows if one.cell == _LSTM)
    numbers: dict[str, Any] = {"comparable_within": COMPARABLE, "comparisons": [one.numbers() for one in rows]}
    lstm, nothing = _witnesses(found, rows, numbers)
    if nothing is not None:
        return nothing
    seen = [one for one in lstm if one.cost.excludes_zero]
    wide = [one for one in lstm if not one.cost.excludes_zero and one.told is not Told.ALIKE]
    numbers |= {"configurations_with_a_difference": len(seen), "configurations_that_cannot_tell": len(wide)}
    of = f"{len(lstm)} configuration{'' if len(lstm) == 1 else 's'} in which one of them has learnt"
    if seen:
        each = "; ".join(
            f"{one.where}: {one.cost.mean:+.2%} ({one.cost.low:+.2%} to {one.cost.high:+.2%})" for one in seen
        )
        text = (
            f"Run again, LSTM and GRU can be told apart in {len(seen)} of {of} (the LSTM's best dev cost against the "
            f"GRU's, 95 % interval over seeds): {each}."
        )
        return Finding(Verdict.DIFFERS, text, numbers, _files(rows), by=each)
    if wide:
        each = "; ".join(
            f"{one.where}, {one.cost.pairs} seeds: {one.cost.low:+.1%} to {one.cost.high:+.1%}" for one in wide
        )
        text = (
            f"In {len(wide)} of {of} the seeds do not tell LSTM and GRU apart, nor would they tell a difference of "
            f"{COMPARABLE:.0%}: the 95 % interval of the LSTM's best dev cost against the GRU's is wider ({each}). "
            "More random seeds make it narrower."
        )
        return Finding(Verdict.NO_EVIDENCE, text, numbers, _files(rows))
    widest = max(lstm, key=lambda one: one.cost.high - one.cost.low).cost
    text = (
        f"Run again, LSTM and GRU cannot be told apart by their best dev cost in {len(lstm)} of {of}, with "
        f"{min(one.cost.pairs for one in lstm)} seeds or more: every 95 % interval holds zero and lies within "
        f"{COMPARABLE:.0%}. A difference within the widest, {widest.low:+.2%} to {widest.high:+.2%}, could not have "
        "been seen."
    )
    return Finding(Verdict.REPRODUCED, text, numbers, _files(rows))


def _witnesses(
    found: Comparisons, rows: tuple[CellComparison, ...], numbers: dict[str, Any]
) -> tuple[list[CellComparison], Finding | None]:
    """Give the comparisons of the LSTM that say something, or the finding that there is none."""
    if found.broken:
        text = f"What is to be compared cannot be believed: {'; '.join(found.broken[:3])}."
        return [], Finding(Verdict.DIFFERS, text, numbers, _files(rows), by=found.broken[0])
    lstm = [one for one in rows if one.cell == _LSTM and one.told is not Told.NOTHING]
    if lstm:
        return lstm, None
    told = [one for one in rows if one.cell == _LSTM]
    text = f"{' '.join(one.sentence() for one in told)} {_NOT_LEARNT}" if told else _MISSING
    return [], Finding(Verdict.NO_EVIDENCE, text, numbers, _files(rows))


def _files(rows: tuple[CellComparison, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path for one in rows for path in one.files))


_MISSING = (
    f"There are not yet {SEEDS} random seeds of GRU and LSTM in one configuration, on one song and device, with a dev "
    "cost."
)

_NOT_LEARNT = "A longer song or a smaller frame gives more updates to learn from."
