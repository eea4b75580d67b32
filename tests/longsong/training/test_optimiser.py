"""RMSProp and step clipping against FACTS section 4, written a second time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longsong.training.optimiser import FLOOR, RMSProp


@given(
    gradients=arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 6)),
        # nothing whose square is beyond float64
        elements=(st.floats(-3, 3) | st.floats(-1e-6, 1e-6)).map(lambda x: x if abs(x) > 1e-140 else 0.0),
    ),
    learning_rate=st.floats(1e-4, 1.0),
    decay=st.floats(0.0, 0.99),
    step_clip=st.floats(0.01, 5.0),
)
def test_steps(gradients, learning_rate, decay, step_clip):
    size = gradients.shape[1]
    parameters = torch.linspace(-1, 1, size, dtype=torch.float64)
    expected, v = parameters.numpy().copy(), np.zeros(size)
    optimiser = RMSProp(
        torch.zeros(size, dtype=torch.float64), learning_rate=learning_rate, decay=decay, step_clip=step_clip
    )
    for gradient in gradients:
        told = optimiser.step(parameters, torch.from_numpy(gradient.copy()))
        v = decay * v + (1 - decay) * gradient**2
        step = learning_rate * gradient / np.maximum(np.sqrt(v), 1e-5)
        norm = np.sqrt((step**2).sum())
        applied = step * (step_clip / norm if norm > step_clip else 1.0)
        expected -= applied
        np.testing.assert_allclose(parameters.numpy(), expected, atol=1e-12)
        assert told.step_norm_unclipped == pytest.approx(norm, rel=1e-12, abs=1e-300)
        assert told.step_norm == pytest.approx(np.sqrt((applied**2).sum()), rel=1e-12, abs=1e-300)
        assert told.clipped == (norm > step_clip) or norm == pytest.approx(step_clip, rel=1e-14)
        assert told.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12, abs=1e-300)
        assert told.floor_share == np.mean(np.sqrt(v) < 1e-5)
    np.testing.assert_allclose(optimiser.mean_square.numpy(), v, atol=1e-14)


def test_the_floor_is_no_added_epsilon():
    big, small = 3.0, FLOOR / 10
    parameters = torch.zeros(2, dtype=torch.float64)
    optimiser = RMSProp(torch.zeros(2, dtype=torch.float64), learning_rate=0.1, decay=0.0, step_clip=10.0)
    optimiser.step(parameters, torch.tensor([big, small], dtype=torch.float64))
    np.testing.assert_allclose(parameters.numpy(), [-0.1, -0.1 * small / FLOOR], rtol=1e-15)
