"""Costs without a network, of signals whose costs are known."""

from __future__ import annotations

import numpy as np
import pytest
from made_sounds import autoregressive

from longsong.audit.baselines import baseline_costs
from longsong.audit.linear_prediction import fit_linear_predictor
from longsong.errors import ConfigError, NotFiniteError

Batch = tuple[np.ndarray, np.ndarray]


def batches(samples: np.ndarray, frame: int, seq: int = 20, batch: int = 16) -> list[Batch]:
    """Lay samples out as examples without overlap, as `streams.Windows` does."""
    examples = (len(samples) - frame) // (frame * seq)
    inputs = samples[: examples * frame * seq].reshape(examples, seq, frame)
    targets = samples[frame : frame + examples * frame * seq].reshape(examples, seq, frame)
    return [(inputs[at : at + batch], targets[at : at + batch]) for at in range(0, examples, batch)]


@pytest.mark.parametrize("frame", [1, 4, 25])
def test_costs_of_an_autoregressive_process(frame: int) -> None:
    """Of AR(1) with a variance of 1: E x^2 = 1, E (x_t - x_(t+F))^2 = 2 (1 - a^F), and 1 - a^(2 j) at best."""
    a = 0.95
    dev = batches(autoregressive(a, 400_000, seed=2), frame)
    found = baseline_costs(dev, fit_linear_predictor([autoregressive(a, 400_000, seed=1)], frame))
    assert found["zero"] == pytest.approx(1, rel=0.05)
    assert found["repeat"] == pytest.approx(2 * (1 - a**frame), rel=0.05)
    assert found["linear"] == pytest.approx((1 - a ** (2 * np.arange(1, frame + 1))).mean(), rel=0.03)
    assert found["frames"] == sum(targets[..., 0].size for _, targets in dev)
    assert (found["linear_frames"], found["linear_ridge"]) == (400_000 - 2 * frame + 1, 0)


def test_a_song_that_never_changes() -> None:
    constant = np.full(5000, 0.25, np.float32)
    found = baseline_costs(batches(constant, 10), fit_linear_predictor([constant], 10))
    assert found["repeat"] == found["linear"] == 0
    assert found["zero"] == 0.0625


def test_a_sine_is_predicted_by_a_line_and_not_by_repeating() -> None:
    wave = np.sin(np.arange(60_000) * 0.37).astype(np.float32)
    found = baseline_costs(batches(wave[40_000:], 10), fit_linear_predictor([wave[:40_000]], 10))
    assert found["linear"] < 1e-6 < 0.4 < found["zero"]
    assert found["repeat"] == pytest.approx(1 - np.cos(3.7), rel=0.01)


def test_without_a_predictor_there_is_no_linear_cost() -> None:
    found = baseline_costs(batches(np.ones(5000, np.float32), 10))
    assert (found["linear"], found["linear_frames"], found["linear_ridge"]) == (None, None, None)
    assert (found["zero"], found["repeat"]) == (1, 0)


def test_mini_batches_are_cut_as_their_frames_are_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """In however many pieces frames are taken, the sums are the same."""
    samples = autoregressive(0.9, 20_000, seed=5)
    data, predictor = batches(samples, 10), fit_linear_predictor([samples], 10)
    due = baseline_costs(data, predictor)
    monkeypatch.setattr("longsong.audit.baselines._VALUES_AT_ONCE", 1)
    found = baseline_costs(data, predictor)
    assert found["linear"] == pytest.approx(due["linear"], rel=1e-9)
    assert found["frames"] == due["frames"]


def test_what_cannot_be_is_refused() -> None:
    samples = autoregressive(0.5, 5000, seed=6)
    good = batches(samples, 10)
    with pytest.raises(ConfigError, match="dev split"):
        baseline_costs([])
    with pytest.raises(ConfigError, match="20"):
        baseline_costs(good, fit_linear_predictor([samples], 20))
    with pytest.raises(ConfigError, match="shape"):
        baseline_costs([(good[0][0], good[0][1][:, 1:])])
    good[0][1][0, 0, 0] = np.nan
    with pytest.raises(NotFiniteError, match="finite"):
        baseline_costs(good)
