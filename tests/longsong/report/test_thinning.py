"""Curves brought down to few points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.report.thinning import thin


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000), st.integers(1, 500))
def test_thinning_keeps_mean_and_bounds(values: list[float], most: int) -> None:
    positions, means = thin(values, most)
    assert len(positions) == len(means) == min(most, len(values))
    sizes = [len(piece) for piece in np.array_split(values, len(means))]
    assert np.average(means, weights=sizes) == pytest.approx(np.mean(values), abs=1e-12)
    assert (np.diff(positions) > 0).all()
    assert 1 <= positions[0] <= positions[-1] <= len(values)
    if len(values) <= most:
        assert means.tolist() == values
