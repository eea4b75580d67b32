"""P19 and P21: how far back a network looks, and what it has learnt to predict."""

from __future__ import annotations

from typing import Any

from longsong.audit.evidence import Evidence
from longsong.audit.revaluate import TOLERANCE, NoCostError
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, all_of, every_run, not_of_all
from longsong.errors import RunError

__all__ = ["LEARNT", "good_at_predicting", "length_of_memory"]

LEARNT = 0.98
"""Best dev cost over that of the best trivial prediction, above which a network has learnt next to nothing."""


def length_of_memory(evidence: Evidence) -> Finding:
    """P19: the state goes through the whole of a sequence, and begins anew with the next one."""
    seen: list[Seen] = []
    unseen: list[str] = []
    half: list[float] = []
    alone: list[float] = []
    for run in evidence.described:
        files = (run.path("config.json"), run.path("metrics.jsonl"), run.best_parameters)
        try:
            cost = evidence.dev_cost(run)
        except RunError as error:
            unseen.append(str(error))
            continue
        if cost.recurrence == "batch":
            continue  # not along time at all: D01 names it
        if cost.offset is None:
            unseen.append(f"{run.name} reports a dev cost that is not its network's")  # P05 and P11 name it
            continue
        seq = run.of("data.seq")
        says = f"its state begins anew after {cost.span} of {seq} frames, by its dev cost {cost.reported:.6g}"
        seen.append(Seen(run.name, cost.span == seq, says, files))
        half += _changed(evidence, run, max(1, seq // 2), cost.computed[1])
        alone += _changed(evidence, run, 1, cost.computed[1])
    numbers: dict[str, Any] = {
        "runs_computed_again": len(seen),
        "change_with_half_the_sequence": _range(half),
        "change_with_single_frames": _range(alone),
        "tolerance": TOLERANCE,
    }
    good = (
        f"In {all_of(seen)} runs the best dev cost is that of a state that goes through all frames of a sequence and "
        "begins anew with the next: nothing from before it counts."
    )
    if half:
        good += (
            f" What that makes of the dev cost was looked at in {len(half)} runs: begun anew in the middle of each "
            f"sequence it would change by {min(half):+.2%} to {max(half):+.2%}, and begun anew at each frame by "
            f"{min(alone):+.2%} to {max(alone):+.2%}."
        )
    nothing = f"No dev cost could be computed again ({'; '.join(unseen[:1]) or 'no run is complete'})."
    return every_run(seen, good, nothing, numbers)


def _changed(evidence: Evidence, run: Run, span: int, cost: float) -> list[float]:
    """Give by how much the dev cost changes with a state that begins anew after `span` frames; nothing if left out."""
    try:
        return [evidence.dev_cost_otherwise(run, "time", span).computed[1] / cost - 1]
    except RunError:
        return []


def _range(values: list[float]) -> list[float] | None:
    return [min(values), max(values)] if values else None


def good_at_predicting(evidence: Evidence) -> Finding:
    """P21: the best dev cost, computed again, against predicting the mean and repeating the last frame."""
    seen: list[Seen] = []
    unseen: list[str] = []
    bare: list[str] = []
    ratios: dict[str, float] = {}
    for run in evidence.described:
        files = (run.path("metrics.jsonl"), run.best_parameters)
        try:
            found, song, trivial = evidence.dev_cost(run), evidence.song(run), evidence.trivial(run)
        except NoCostError as error:
            bare.append(str(error))
            continue
        except RunError as error:
            unseen.append(str(error))
            continue
        if found.recurrence == "batch":
            continue  # not trained along time: D01 names it
        cost = found.computed[1]
        name, least = trivial.least
        ratios[run.name] = ratio = cost / least if least else float(cost > 0)
        says = f"its dev cost {cost:.6g} is {ratio:.4f} of that of {name} ({least:.6g}), where {LEARNT} is learnt"
        seen.append(Seen(run.name, ratio <= LEARNT, says, (*files, song.index)))
    learnt = sum(one.holds for one in seen)
    best = min(ratios, key=ratios.__getitem__, default="")
    numbers: dict[str, Any] = {
        "learnt_from": LEARNT,
        "runs_that_have_learnt": learnt,
        "cost_over_best_trivial_prediction": _range(list(ratios.values())),
        "best_run": best or None,
        "runs_without_a_dev_cost": len(bare),
    }
    good = (
        f"In {all_of(seen)} runs the best dev cost is below that of predicting the mean of the train split and of "
        f"repeating the last frame, by {1 - LEARNT:.0%} or more: "
    )
    if ratios:
        good += f"{ratios[best]:.3f} ({best}) to {max(ratios.values()):.3f} of the lower of the two."
    if unseen:
        good += f" {len(unseen)} could not be computed again ({unseen[0]})."
    nothing = f"No dev cost could be computed again ({'; '.join(unseen[:1]) or 'no run is complete'})."
    finding = every_run(seen, good, nothing, numbers)
    if not bare:
        return finding
    # Whoever has learnt nothing could be silent about it: what the others have learnt is not said of all.
    return not_of_all(finding, f"Of {len(bare)} nothing can be said ({'; '.join(bare[:3])}).")
