"""How far a run predicts its song, in plain words with the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longsong.audit.horizon import PREDICTION_FORMAT, PREDICTION_VERSION
from longsong.report.figure import Figure, inside, made_figure, number, require_version
from longsong.units import human_time

__all__ = ["figures_of_prediction"]

_BASELINES = {
    "zero": ("predicting zero", "What a zero for every sample costs; what does not beat it has learnt nothing."),
    "repeat": ("repeating the last frame", "What it costs to predict that nothing changes."),
    "linear": ("the best linear predictor", "What the best linear map from a frame to the next costs, fitted by least "
               "squares to the train split."),
}  # fmt: skip

_AHEAD = (0, 0.25, 0.5, 1)
"""Horizons that are told, as shares of the farthest."""

Figures = Mapping[str, Any]


def figures_of_prediction(prediction: Figures) -> list[Figure]:
    """Give all figures that `longsong.judging.judge_prediction` has of a run; the song has none of its own.

    Parameters
    ----------
    prediction : mapping
        Of a run's summary; an empty one has none to give.

    Raises
    ------
    RunError
        It is of another format, or of a newer version.
    """
    if not prediction:
        return []
    require_version(prediction, PREDICTION_FORMAT, PREDICTION_VERSION)
    return [*_beside(prediction), *_ahead(prediction)]


def _beside(prediction: Figures) -> list[Figure]:
    """Put the network's cost beside those of what predicts without one."""
    own = number(prediction, "cost")
    there, of = (number(prediction, name) for name in ("examples", "dev_examples"))
    share = "" if there is None or of is None else f", over {there:,.0f} of {of:,.0f} dev examples"
    value = "not finite" if own is None else f"{own:.5f}"
    found = [Figure("the network", value, "", f"Its mean squared error of the next frame{share}.")]
    for name, (words, means) in _BASELINES.items():
        cost = number(prediction, f"baselines.{name}")
        if cost is not None:
            over = f" (the network: {own / cost:.3f} times that)" if own is not None and cost > 0 else ""
            found.append(Figure(words, f"{cost:.5f}{over}", "", means))
    return found


def _ahead(prediction: Figures) -> list[Figure]:
    """Tell how the cost grows where the network goes on from its own predictions."""
    rows, useful = (number(prediction, f"horizon.{name}") for name in ("rows", "useful_seconds"))
    if rows is None or useful is None:
        return []
    exploded = number(prediction, "horizon.exploded_seconds")
    value = "never" if useful == 0 else f"for {human_time(useful)}"
    if exploded is not None:
        value += f"; not finite after {human_time(exploded)}"
    said = f"from {rows:,.0f} places of the dev split"
    return [
        Figure("ahead, better than zero", value, "", f"How long its own predictions, fed back, cost less ({said})."),
        *made_figure("its own predictions fed back", lambda figures: _costs(figures, "free"), prediction, {},
                     "Cost so far ahead, as when it generates."),
        *made_figure("the true frames given", lambda figures: _costs(figures, "forced"), prediction, {},
                     "Cost at the same places, each frame predicted from the true one before (teacher forcing)."),
    ]  # fmt: skip


def _costs(prediction: Figures, name: str) -> str:
    """Give some of the costs by horizon, the nearest and the farthest among them."""
    costs, seconds = (inside(prediction, f"horizon.{key}") for key in (name, "seconds"))
    if not isinstance(costs, list) or not isinstance(seconds, list) or len(costs) != len(seconds) or not costs:
        return ""
    told = sorted({round(share * (len(costs) - 1)) for share in _AHEAD})
    pairs = [(costs[at], seconds[at]) for at in told]
    if not all(isinstance(value, int | float) for pair in pairs for value in pair):
        return ""
    return ", ".join(f"{cost:.4f} after {human_time(ahead)}" for cost, ahead in pairs)
