"""How far a run predicts, in words: exact, and whatever the file holds."""

from __future__ import annotations

from typing import Any

import pytest

from longsong.errors import RunError
from longsong.report.prediction_figures import figures_of_prediction

PREDICTION: dict[str, Any] = {
    "format": "longsong.prediction",
    "version": 1,
    "parameters": "best",
    "epoch": 3,
    "examples": 348,
    "dev_examples": 7112,
    "cost": 0.01,
    "baselines": {
        "frames": 17_400, "zero": 0.02, "repeat": 0.05, "linear": 0.008, "linear_frames": 4_000_000, "linear_ridge": 0,
    },
    "horizon": {
        "rows": 32,
        "seconds": [0.1, 0.2, 0.3, 0.4, 0.5],
        "free": [0.01, 0.015, 0.03, 0.04, 0.05],
        "forced": [0.01, 0.011, 0.012, 0.013, 0.014],
        "zero": [0.02] * 5,
        "free_error": [0.001] * 5,
        "forced_error": [0.001] * 5,
        "useful_seconds": 0.2,
        "exploded_seconds": None,
    },
}  # fmt: skip


def told(prediction: dict[str, Any]) -> dict[str, str]:
    return {figure.name: figure.value for figure in figures_of_prediction(prediction)}


def test_all_is_told() -> None:
    assert told(PREDICTION) == {
        "the network": "0.01000",
        "predicting zero": "0.02000 (the network: 0.500 times that)",
        "repeating the last frame": "0.05000 (the network: 0.200 times that)",
        "the best linear predictor": "0.00800 (the network: 1.250 times that)",
        "ahead, better than zero": "for 0.2 s",
        "its own predictions fed back": (
            "0.0100 after 0.1 s, 0.0150 after 0.2 s, 0.0300 after 0.3 s, 0.0500 after 0.5 s"
        ),
        "the true frames given": "0.0100 after 0.1 s, 0.0110 after 0.2 s, 0.0120 after 0.3 s, 0.0140 after 0.5 s",
    }
    means = [figure.means for figure in figures_of_prediction(PREDICTION)]
    assert means[0] == "Its mean squared error of the next frame, over 348 of 7,112 dev examples."
    assert all(sentence.endswith(".") for sentence in means)


def test_what_is_not_there_is_left_out() -> None:
    found = told(PREDICTION | {"baselines": PREDICTION["baselines"] | {"linear": None}, "horizon": None})
    assert list(found) == ["the network", "predicting zero", "repeating the last frame"]
    assert figures_of_prediction({}) == []


def test_an_explosion_is_told_with_its_second() -> None:
    horizon = PREDICTION["horizon"] | {key: [] for key in ("seconds", "free", "forced")}
    horizon |= {"useful_seconds": 0.0, "exploded_seconds": 0.1}
    found = told(PREDICTION | {"cost": None, "horizon": horizon})
    assert found["the network"] == "not finite"
    assert found["predicting zero"] == "0.02000"
    assert found["ahead, better than zero"] == "never; not finite after 0.1 s"
    assert "its own predictions fed back" not in found


def test_another_format_or_version_is_refused_by_name() -> None:
    with pytest.raises(RunError, match=r"longsong\.prediction 2; this one reads up to 1"):
        figures_of_prediction(PREDICTION | {"version": 2})
    with pytest.raises(RunError, match=r"not 'longsong\.prediction'"):
        figures_of_prediction({"horizon": PREDICTION["horizon"]})


@pytest.mark.parametrize("wrong", [None, "x", [], ["x"], {}, True, float("nan"), 0, -1])
def test_whatever_an_altered_file_holds_is_left_out(wrong: Any) -> None:
    for part in (None, "baselines", "horizon"):
        whole = PREDICTION if part is None else PREDICTION[part]
        for key in set(whole) - {"format", "version"}:
            changed = {**whole, key: wrong}
            figures = changed if part is None else PREDICTION | {part: changed}
            assert set(told(figures)) <= set(told(PREDICTION))
