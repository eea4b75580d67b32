"""Baselines on processes whose best linear prediction is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longsong.audit.baselines import LARGEST_FRAME, baseline_costs, fit_linear_predictor
from longsong.errors import ConfigError, NotFiniteError

Batch = tuple[np.ndarray, np.ndarray]


def batches(samples: np.ndarray, frame: int, seq: int = 20, batch: int = 16) -> list[Batch]:
    """Lay samples out as examples without overlap, as `streams.Windows` does."""
    examples = (len(samples) - frame) // (frame * seq)
    inputs = samples[: examples * frame * seq].reshape(examples, seq, frame)
    targets = samples[frame : frame + examples * frame * seq].reshape(examples, seq, frame)
    return [(inputs[at : at + batch], targets[at : at + batch]) for at in range(0, examples, batch)]


def autoregressive(coefficient: float, samples: int, seed: int) -> np.ndarray:
    """Give x_t = a x_(t-1) + e_t, with a variance of 1."""
    from scipy.signal import lfilter

    noise = np.random.default_rng(seed).normal(0, np.sqrt(1 - coefficient**2), samples + 1000)
    return lfilter([1], [1, -coefficient], noise)[1000:].astype(np.float32)


@pytest.mark.parametrize("frame", [1, 4, 25])
def test_linear_cost_is_the_best_of_an_autoregressive_process(frame: int) -> None:
    """Of AR(1) the best prediction j samples ahead is a^j times the last, at a cost of 1 - a^(2 j)."""
    a = 0.95
    train, dev = (batches(autoregressive(a, 400_000, seed), frame) for seed in (1, 2))
    found = baseline_costs(train, dev, most_frames=400_000)
    ahead = np.arange(1, frame + 1)
    assert found["linear"] == pytest.approx((1 - a ** (2 * ahead)).mean(), rel=0.03)
    assert found["zero"] == pytest.approx(1, rel=0.05)
    assert found["repeat"] == pytest.approx(2 * (1 - a**frame), rel=0.05)  # E (x_t - x_(t+F))^2
    assert found["frames"] == sum(targets[..., 0].size for _, targets in dev)
    assert found["linear_ridge"] == 0


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(8, 60))
def test_the_fit_is_that_of_least_squares(seed: int, frame: int, count: int) -> None:
    """Against numpy's solver, on numbers far from zero, in mini-batches of any size."""
    random = np.random.default_rng(seed)
    inputs, targets = random.normal(50, 3, (2, 1, count, frame))
    cut = int(random.integers(1, count))
    fit = fit_linear_predictor([(inputs[:, :cut], targets[:, :cut]), (inputs[:, cut:], targets[:, cut:])])
    assert fit is not None
    design = np.hstack([inputs[0], np.ones((count, 1))])
    due = np.linalg.lstsq(design, targets[0], rcond=None)[0]
    np.testing.assert_allclose(fit.predict(inputs[0]), design @ due, atol=1e-6)
    assert fit.frames == count


def test_frames_without_full_rank_need_a_ridge_and_no_more() -> None:
    """Every second sample is the one before: half of the inputs say nothing new."""
    samples = np.repeat(np.random.default_rng(0).normal(size=30_000), 2)
    fit = fit_linear_predictor(batches(samples, 8))
    assert fit is not None
    assert fit.ridge < 1e-10
    lines = samples[:-8].reshape(-1, 8)
    assert np.square(fit.predict(lines)).mean() < 0.01  # white noise has no better prediction than 0


def test_a_song_that_never_changes_is_predicted() -> None:
    constant = np.full(5000, 0.25, np.float32)
    found = baseline_costs(batches(constant, 10), batches(constant, 10))
    assert found["repeat"] == found["linear"] == 0
    assert found["zero"] == 0.0625


def test_a_sine_is_predicted_by_a_line_and_not_by_repeating() -> None:
    wave = np.sin(np.arange(60_000) * 0.37).astype(np.float32)
    found = baseline_costs(batches(wave[:40_000], 10), batches(wave[40_000:], 10))
    assert found["linear"] < 1e-6 < 0.4 < found["zero"]
    assert found["repeat"] == pytest.approx(1 - np.cos(3.7), rel=0.01)


def test_no_more_is_read_than_is_used() -> None:
    read = []

    def stream() -> Iterator[Batch]:
        for number, batch in enumerate(batches(autoregressive(0.5, 20_000, 3), 10)):
            read.append(number)
            yield batch

    fit = fit_linear_predictor(stream(), most_frames=500)
    assert fit is not None
    assert fit.frames == 500
    assert read == [0, 1]  # 16 x 20 frames each


def test_what_noise_could_be_fitted_with_is_not_fitted() -> None:
    data = batches(autoregressive(0.5, 40_000, 4), 100)
    assert fit_linear_predictor(data, most_frames=101) is None
    assert fit_linear_predictor(data, most_frames=102) is not None
    wide = np.zeros((1, 2, LARGEST_FRAME + 1), np.float32)
    found = baseline_costs([(wide, wide)], [(wide, wide)])
    assert (found["linear"], found["linear_frames"], found["linear_ridge"]) == (None, None, None)
    assert found["zero"] == 0


def test_mini_batches_are_cut_as_their_frames_are_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """In however many pieces frames are taken, the sums are the same."""
    data = batches(autoregressive(0.9, 50_000, 5), 10)
    due = baseline_costs(data, data)
    monkeypatch.setattr("longsong.audit.baselines._VALUES_AT_ONCE", 1)
    found = baseline_costs(data, data)
    assert found["linear"] == pytest.approx(due["linear"], rel=1e-9)
    assert found["frames"] == due["frames"]


def test_what_cannot_be_is_refused() -> None:
    good = batches(autoregressive(0.5, 5000, 6), 10)
    with pytest.raises(ConfigError, match="dev split"):
        baseline_costs(good, [])
    with pytest.raises(ConfigError, match="train split"):
        baseline_costs([], good)
    with pytest.raises(ConfigError, match="10"):
        baseline_costs(good, batches(autoregressive(0.5, 5000, 6), 20))
    with pytest.raises(ConfigError, match="had 10"):
        baseline_costs([*good, *batches(autoregressive(0.5, 5000, 6), 20)], good)
    with pytest.raises(ConfigError, match="shape"):
        baseline_costs([(good[0][0], good[0][1][:, 1:])], good)
    with pytest.raises(ConfigError, match="most-frames"):
        baseline_costs(good, good, most_frames=0)
    good[0][1][0, 0, 0] = np.nan
    with pytest.raises(NotFiniteError, match="finite"):
        baseline_costs(good, good)
