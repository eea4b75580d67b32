"""Linear prediction of processes whose best one is known, and by the definition of least squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sounds import autoregressive

from longsong.audit.linear_prediction import LARGEST_FRAME, fit_linear_predictor
from longsong.errors import ConfigError, NotFiniteError


def pairs(samples: np.ndarray, frame: int, hop: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Give the frames that begin at every `hop` samples, and the ones after them."""
    both = np.lib.stride_tricks.sliding_window_view(samples, 2 * frame)[::hop]
    return both[:, :frame], both[:, frame:]


@pytest.mark.parametrize("frame", [1, 4, 25, 300])
def test_the_cost_is_the_best_of_an_autoregressive_process(frame: int) -> None:
    """Of AR(1) the best prediction j samples ahead is a^j times the last, at a cost of 1 - a^(2 j)."""
    a = 0.95
    fit = fit_linear_predictor([autoregressive(a, 400_000, seed=1)], frame)
    assert fit is not None
    x, y = pairs(autoregressive(a, 400_000, seed=2), frame, hop=frame)
    ahead = np.arange(1, frame + 1)
    assert np.square(fit.predict(x) - y).mean() == pytest.approx((1 - a ** (2 * ahead)).mean(), rel=0.03)
    assert fit.ridge == 0
    assert fit.frames == 400_000 - 2 * frame + 1


@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.lists(st.integers(0, 70), min_size=1, max_size=4),
    st.sampled_from([1, 2, 1000]),
)
def test_the_fit_is_that_of_least_squares(seed: int, frame: int, more: list[int], at_once: int) -> None:
    """Against numpy's solver, on every frame of runs of any lengths, of numbers far from zero."""
    random = np.random.default_rng(seed)
    runs = [random.normal(50, 3, 2 * frame + 7 + extra) + 5 * number for number, extra in enumerate(more)]
    runs.append(random.normal(size=2 * frame - 1))  # holds no frame with one after it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("longsong.audit.linear_prediction._ROWS_AT_ONCE", at_once)
        fit = fit_linear_predictor(runs, frame)
    assert fit is not None
    x, y = (np.concatenate(parts) for parts in zip(*(pairs(run, frame) for run in runs[:-1]), strict=True))
    design = np.hstack([x, np.ones((len(x), 1))])
    due = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(fit.predict(x), due, atol=1e-6)
    assert fit.frames == len(x)


def test_frames_without_full_rank_need_a_ridge_and_no_more() -> None:
    """Two sines span four dimensions of a frame of 40; what follows is known all the same."""
    t = np.arange(30_000)
    wave = np.sin(0.37 * t) + 0.3 * np.sin(1.1 * t + 1)
    fit = fit_linear_predictor([wave[:20_000]], 40)
    assert fit is not None
    assert 0 < fit.ridge < 1e-10
    x, y = pairs(wave[20_000:], 40)
    assert np.square(fit.predict(x) - y).mean() < 1e-6


@pytest.mark.parametrize("level", [0.0, 0.25, -1 / 3])
def test_what_never_changes_is_predicted(level: float) -> None:
    fit = fit_linear_predictor([np.full(5000, level, np.float32)], 10)
    assert fit is not None
    np.testing.assert_allclose(fit.predict(np.full((3, 10), level)), level, atol=1e-12)


def test_what_noise_could_be_fitted_with_is_not_fitted() -> None:
    samples = autoregressive(0.5, 400, seed=3)
    assert fit_linear_predictor([samples[:300]], 100) is None  # 101 frames of 100 samples
    assert fit_linear_predictor([samples[:301]], 100) is not None
    assert fit_linear_predictor([], 100) is None
    assert fit_linear_predictor([samples], LARGEST_FRAME + 1) is None


def test_what_cannot_be_is_refused() -> None:
    samples = autoregressive(0.5, 400, seed=4)
    with pytest.raises(ConfigError, match="frame"):
        fit_linear_predictor([samples], 0)
    with pytest.raises(ConfigError, match="shape"):
        fit_linear_predictor([samples[None]], 10)
    fit = fit_linear_predictor([samples], 10)
    assert fit is not None
    with pytest.raises(ConfigError, match=r"\(3, 9\)"):
        fit.predict(np.zeros((3, 9)))
    samples[7] = np.nan
    with pytest.raises(NotFiniteError, match="finite"):
        fit_linear_predictor([samples], 10)
