"""P20: each mini-batch gives one gradient update, and it is the gradient that 2016's optimiser turned into a step."""

from __future__ import annotations

from math import fsum, log
from typing import Any

import numpy as np

from longsong.audit.evidence import Evidence
from longsong.audit.first_updates import FLOOR, FirstUpdate, Step
from longsong.audit.mean_squares import gradients_odd, optimiser_altered
from longsong.audit.revaluate import TOLERANCE, LeftOutError
from longsong.audit.run import Run
from longsong.audit.verdicts import Finding, Seen, all_of, every_run, unless_unseen
from longsong.errors import RunError, UnreadableError
from longsong.reported import SETTINGS

__all__ = ["gradient_updates"]

_ROUNDED = 1e-4
"""How far two norms of one step may be apart that were summed in float32."""
_SHARE = 1e-2
"""How far a share of entries may be from the one computed again: entries at the very floor fall on either side."""
_HALVINGS = 60
_NORMS = ("gradient_norm", "step_norm", "step_norm_unclipped")
_EXACT = 1e-6
"""How far two numbers may be apart that only the order of adding up could tell apart."""
_BELIEVED = [
    "train costs after the second update",
    "norms of steps and shares at the floor after the first, within what RMSProp allows",
    "the seconds of updates and training",
]
"""What nothing is left to compute from: the parameters in between were not kept, and time does not come again."""


def gradient_updates(evidence: Evidence) -> Finding:
    """P20: norms and clipping of every update, and the first one computed again from seed and song."""
    seen: list[Seen] = []
    again, updates, unseen, largest = 0, 0, [], 0.0
    # One seed of each configuration first, and the cheapest first, so that as many as can be are computed again.
    for run in sorted(evidence.described, key=_turn):
        files = (run.path("metrics.jsonl"), run.path("config.json"))
        try:
            odd = [altered] if (altered := run.altered("metrics")) else _settings_odd(run) or _without_norms(run)
            if not odd:
                odd = _steps_odd(run) or _gradients_odd(run) or _summary_odd(run)
                updates += len(run.metrics.updates)
                try:
                    first = evidence.first_update(run)
                    differences = _differences(run, first)
                    again, largest = again + 1, max(largest, *differences.values())
                    odd = _first_odd(run, first, differences) or odd
                except RunError as error:
                    unseen.append(error)
        except UnreadableError:
            raise
        except RunError as error:
            odd = [str(error)]
        seen.append(Seen(run.name, not odd, "; ".join(odd), files))
    left_out = sum(isinstance(error, LeftOutError) for error in unseen)
    numbers: dict[str, Any] = {
        "updates": updates, "runs_computed_again": again, "largest_difference": largest, "tolerance": TOLERANCE,
        "settings": dict(SETTINGS), "believed": _BELIEVED,
    }  # fmt: skip
    good = (
        f"{updates:,} updates of {all_of(seen)} runs have the settings of 2016, the norms of RMSProp's steps, and of a "
        f"step (not a gradient) that is clipped. For {again} of them the first update was computed again from seed and "
        "song: its cost, the norms of gradient and step, the share at RMSProp's floor, and the cost after it agree to "
        f"{largest:.1e}."
    )
    if unseen:
        good += f" {len(unseen)} could not be, {left_out} of them for the time it takes ({unseen[0]})."
    good += f" Believed, as nothing is left to compute them from: {', '.join(_BELIEVED)}."
    finding = every_run(sorted(seen, key=lambda one: one.run), good, "No run is complete.", numbers)
    word_only = f"No first update could be computed again ({'; '.join(map(str, unseen[:1]))})."
    return unless_unseen(finding, again, word_only)


def _turn(run: Run) -> tuple[int, int, str]:
    examples = min(run.of("data.batch"), run.of("data.train_examples"))
    cost = int(run.of("model.parameters")) * examples * int(run.of("data.seq"))
    return int(run.of("training.seed")), cost, run.name


def _settings_odd(run: Run) -> list[str]:
    """Say which settings of initial weights, optimiser and clipping are not those of every configuration of 2016."""
    found = {name: run.config[name.split(".")[0]].get(name.split(".")[1]) for name in SETTINGS}
    return [
        f"{name.split('.')[1].replace('_', ' ')} {found[name]!r}, where 2016 has {due:g}"
        for name, due in SETTINGS.items()
        if found[name] != due
    ]


def _without_norms(run: Run) -> list[str]:
    """Say how many updates lack a norm of gradient or step."""
    lines = run.metrics.updates
    bare = int(np.isnan([lines.column(name) for name in _NORMS]).any(axis=0).sum())
    return [f"{bare:,} of {len(lines):,} updates have no norms of gradient and step"] if bare or not lines else []


def _steps_odd(run: Run) -> list[str]:
    """Say which updates cannot be steps of RMSProp that were clipped as steps."""
    clip, decay = SETTINGS["training.step_clip"], SETTINGS["training.rmsprop_decay"]
    entries = run.of("model.parameters")
    names = ("update", "epoch", "learning_rate", "clipped", *_NORMS)
    for update, epoch, rate, clipped, gradient, made, before in run.metrics.updates.rows(*names):
        if not _of_some_epoch(rate, epoch):
            return [f"update {update} has a learning rate of {rate:.6g}, which is that of no epoch before it"]
        if clipped != (before > clip):
            said = "" if clipped else "not "
            return [f"update {update} says that its step of norm {before:.6g} was {said}clipped to {clip:g}"]
        if not _near(made, min(before, clip)):
            return [
                f"update {update} made a step of norm {made:.6g}, where {before:.6g} clipped to {clip:g} is "
                f"{min(before, clip):.6g}"
            ]
        # An entry moves by the rate over sqrt(1 - decay) at most, and on the floor by 1e5 times its gradient.
        most = min(rate * (entries / (1 - decay)) ** 0.5, rate * gradient / FLOOR)
        if before > most * (1 + TOLERANCE):
            return [f"update {update} has a step of norm {before:.6g}, where RMSProp makes {most:.6g} at most"]
    return []


def _gradients_odd(run: Run) -> list[str]:
    """Say where gradient norms are not those that the optimiser's state is made of; D10 names a state that is none."""
    try:
        found = optimiser_altered(run) or gradients_odd(run)
    except UnreadableError:
        raise
    except RunError as error:
        found = str(error)
    return [found] if found else []


def _of_some_epoch(rate: float, epoch: int) -> bool:
    """Tell whether a learning rate is the first one, decayed after up to so many epochs; D10 tells which is due."""
    first, decay = SETTINGS["training.learning_rate"], SETTINGS["training.lr_decay"]
    if rate <= 0:
        return False
    epochs = round(log(rate / first) / log(decay))
    return 0 <= epochs < epoch and _relative(rate, first * decay**epochs) <= _EXACT


def _summary_odd(run: Run) -> list[str]:
    """Say which means and times of a run's summary are not those of its updates."""
    lines, summary = run.metrics.updates, run.summary
    seconds = lines.column("seconds")
    due = {
        "updates": len(lines),
        "clipped_share": fsum(lines.column("clipped")) / len(lines),
        "floor_share": fsum(lines.column("floor_share")) / len(lines),
        "seconds_per_update": float(np.median(seconds)),
    }
    odd = [
        f"its summary has a {name.replace('_', ' ')} of {summary[name]:.6g}, its updates {value:.6g}"
        for name, value in due.items()
        if _relative(summary[name], value) > _EXACT
    ]
    if seconds.min() <= 0:
        odd.append(f"an update took {seconds.min():g} s")
    if summary["training_seconds"] < fsum(seconds) * (1 - _EXACT):
        odd.append(f"trained for {summary['training_seconds']:,.6g} s, of which its updates took {fsum(seconds):,.6g}")
    return odd


def _differences(run: Run, first: FirstUpdate) -> dict[str, float]:
    """Give by how much each number of the first update differs from the one computed again, relatively."""
    line, step = run.metrics.updates[0], first.step
    found = {
        "cost": _relative(line["train_cost"], first.cost),
        "gradient norm": _relative(line["gradient_norm"], step.gradient_norm),
        "step norm before clipping": _relative(line["step_norm_unclipped"], step.unclipped),
        "step norm": _relative(line["step_norm"], step.norm),
        "share at RMSProp's floor": abs(line["floor_share"] - step.floor_share),
    }
    if first.next_cost is not None and len(run.metrics.updates) > 1:
        found["cost after it"] = _relative(run.metrics.updates[1]["train_cost"], first.next_cost)
    return found


def _first_odd(run: Run, first: FirstUpdate, differences: dict[str, float]) -> list[str]:
    most = dict.fromkeys(differences, TOLERANCE) | {"share at RMSProp's floor": _SHARE}
    off = {name: away for name, away in differences.items() if away > most[name]}
    if not off:
        return []
    if clipped := _clipped_gradient(run, first):
        return [clipped]
    name, away = max(off.items(), key=lambda one: one[1])
    return [f"the {name} of its first update is {away:.2%} off, computed again from seed and song"]


def _clipped_gradient(run: Run, first: FirstUpdate) -> str:
    """Say to which norm a gradient clipped before RMSProp would explain the first step; nothing where none does.

    The norm of RMSProp's step grows with the gradient, as its floor does not, so that the scale is found by halving.
    """
    line = run.metrics.updates[0]
    unclipped, share = line["step_norm_unclipped"], line["floor_share"]
    if unclipped >= first.step.unclipped:
        return ""
    low, high, step = 0.0, 1.0, first.step
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        step = first.with_gradient_scaled(middle)
        low, high = (middle, high) if step.unclipped < unclipped else (low, middle)
    if not _explains(step, unclipped, share):
        return ""
    said = f"its first step is that of a gradient of norm {step.gradient_norm:.4g}"
    if _relative(line["gradient_norm"], first.step.gradient_norm) <= TOLERANCE:
        return f"{said}, clipped before RMSProp, where the gradient itself has {first.step.gradient_norm:.4g}"
    return (
        f"{said}, as if clipped before RMSProp to {high:.1%} of {first.step.gradient_norm:.4g}, which it has computed "
        "again"
    )


def _explains(step: Step, unclipped: float, share: float) -> bool:
    return _relative(unclipped, step.unclipped) <= TOLERANCE and abs(share - step.floor_share) <= _SHARE


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= _ROUNDED * max(abs(a), abs(b))


def _relative(found: float, due: float) -> float:
    return abs(found / due - 1) if due else abs(found)
