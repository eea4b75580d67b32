"""Cost by horizon, of predictions whose cost is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.audit.horizon import cost_by_horizon, horizon_figures
from longsong.errors import ConfigError, NotFiniteError


def test_costs_grow_as_the_predictions_drift() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=(8, 400, 10)).astype(np.float32)
    noise = random.normal(size=targets.shape)
    drift = 0.3 * np.arange(1, 9)[:, None, None]
    found = horizon_figures(targets + drift * noise, targets + 0.1 * noise, targets, 1000)
    assert found["free"] == pytest.approx((0.3 * np.arange(1, 9)) ** 2, rel=0.1)
    assert found["forced"] == pytest.approx(np.full(8, 0.01), rel=0.1)
    assert found["zero"] == pytest.approx(np.ones(8), rel=0.1)
    assert found["seconds"] == pytest.approx(np.arange(1, 9) * 0.01)
    # 0.9^2 is less than 1, and 1.2^2 is not.
    assert found["useful_seconds"] == pytest.approx(0.03)
    # Of a mean of 400 x 10 squares of a normal deviate.
    assert found["free_error"][7] == pytest.approx(2.4**2 * np.sqrt(2 / 4000), rel=0.15)
    json.dumps(found, allow_nan=False)


def test_predictions_that_are_better_to_the_end_or_never() -> None:
    targets = np.ones((4, 2, 5))
    assert horizon_figures(targets, targets, targets, 100)["useful_seconds"] == 0.2
    assert horizon_figures(-targets, targets, targets, 100)["useful_seconds"] == 0
    # A gap ends it.
    free = targets.copy()
    free[1] = 5
    assert horizon_figures(free, targets, targets, 100)["useful_seconds"] == 0.05


def test_what_explodes_is_told_with_the_second_and_left_out() -> None:
    targets = np.ones((5, 3, 4), np.float32)
    free, forced = targets.copy(), targets.copy()
    free[3:] = [np.float32("inf")]
    free[4, 0, 0] = np.nan
    found = horizon_figures(free, forced, targets, 100)
    assert found["exploded_seconds"] == pytest.approx(0.16)  # the fourth frame ends there
    assert found["free"] == found["forced"] == [0, 0, 0]
    assert found["useful_seconds"] == pytest.approx(0.12)
    assert horizon_figures(targets, forced, targets, 100)["exploded_seconds"] is None
    # Teacher forcing may too, and a number whose square is none is as good as infinite.
    forced[1, 2, 3] = 1e30
    assert len(horizon_figures(free, forced, targets, 100)["free"]) == 1
    json.dumps(horizon_figures(free, forced, targets, 100), allow_nan=False)


@pytest.mark.parametrize("rows", [1, 3])
def test_what_is_not_finite_at_once_has_no_costs(rows: int) -> None:
    targets = np.ones((5, rows, 4))
    found = horizon_figures(targets * np.nan, targets, targets, 100)
    assert found["free"] == found["forced"] == found["zero"] == found["seconds"] == []
    assert (found["useful_seconds"], found["exploded_seconds"]) == (0, 0.04)
    json.dumps(found, allow_nan=False)


@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), st.integers(0, 1000))
def test_the_mean_over_horizons_is_the_cost_of_all(horizons: int, rows: int, frame: int, seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, horizons, rows, frame))
    cost, error = cost_by_horizon(a, b)
    assert cost.mean() == pytest.approx(np.square(a - b).mean())
    assert np.isnan(error).all() if rows == 1 else (error >= 0).all()


def test_the_error_is_that_of_a_mean() -> None:
    """Of two rows with costs of 1 and 9: a deviation of 4 sqrt(2), over sqrt(2)."""
    cost, error = cost_by_horizon(np.array([[[1.0], [3.0]]]), np.zeros((1, 2, 1)))
    assert (cost.tolist(), error.tolist()) == ([5], [pytest.approx(4)])


def test_one_row_has_no_error() -> None:
    one = np.zeros((3, 1, 2))
    found = horizon_figures(one, one, one, 100)
    assert found["free_error"] is found["forced_error"] is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="horizons, rows, frame"):
        cost_by_horizon(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="shape"):
        cost_by_horizon(np.zeros((2, 3, 4)), np.zeros((2, 3, 5)))
    with pytest.raises(ConfigError, match="none of them 0"):
        cost_by_horizon(np.zeros((2, 0, 4)), np.zeros((2, 0, 4)))
    with pytest.raises(ConfigError, match="sample-rate"):
        horizon_figures(*np.zeros((3, 1, 1, 1)), 0)
    with pytest.raises(ConfigError, match="shape"):
        horizon_figures(np.zeros((2, 3, 4)), np.zeros((2, 3, 5)), np.zeros((2, 3, 4)), 100)
    broken = np.zeros((3, 1, 2))
    broken[1] = np.inf
    with pytest.raises(NotFiniteError, match="horizon 2"):
        cost_by_horizon(broken, np.zeros((3, 1, 2)))
