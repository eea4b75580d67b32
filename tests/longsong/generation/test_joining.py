"""Joining what iterations predict: the post's way, and without ticks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.generation import Crossfade, LastFrame


def pieces_of(iterations: torch.Tensor, sizes: list[int]) -> list[torch.Tensor]:
    return list(torch.split(iterations, sizes))


def joined(joining, pieces) -> torch.Tensor:
    return torch.cat([joining.join(piece) for piece in pieces])


def test_the_last_frame_is_the_posts_way():
    iterations = torch.randn(7, 1, 2, 3)
    assert torch.equal(joined(LastFrame(), pieces_of(iterations, [3, 4])), iterations[:, 0])


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), frame=st.integers(1, 9), seeds=st.integers(1, 3))
def test_a_crossfade_gives_one_frame_less_whatever_the_pieces(sizes, frame, seeds):
    generator = torch.Generator().manual_seed(frame)
    iterations = torch.randn(sum(sizes), 2, seeds, frame, generator=generator, dtype=torch.float64)
    found = joined(Crossfade(), pieces_of(iterations, sizes))
    assert found.shape == (sum(sizes) - Crossfade.more, seeds, frame)
    torch.testing.assert_close(found, joined(Crossfade(), [iterations]), rtol=0, atol=0)
    low = torch.minimum(iterations[:-1, 1], iterations[1:, 0])
    high = torch.maximum(iterations[:-1, 1], iterations[1:, 0])
    assert ((found >= low - 1e-12) & (found <= high + 1e-12)).all()


def test_where_predictions_agree_nothing_is_changed():
    song = torch.sin(torch.arange(400, dtype=torch.float64) / 7).view(10, 1, 40)
    iterations = torch.stack([song[:-1], song[1:]], 1)
    torch.testing.assert_close(Crossfade().join(iterations), song[1:-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("frame", [20, 200])
def test_where_they_differ_by_a_step_there_is_no_tick_at_the_border(frame):
    """Every iteration is off by an amount of its own: its two frames go on in each other, and not in the next's."""
    off = torch.randn(30, 1, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    iterations = off.expand(30, 2, 1, frame)
    hard = iterations[:, 1].reshape(-1)
    soft = Crossfade().join(iterations).reshape(-1)
    assert hard.diff().abs().max() > 1
    # A Hann window of two frames changes by pi / 2 / frame a sample at most.
    steepest = float((off[1:] - off[:-1]).abs().max()) * torch.pi / 2 / frame
    assert soft.diff().abs().max() <= 1.01 * steepest
    at_borders = soft[frame - 1 :: frame][:-1] - soft[frame::frame]
    assert at_borders.abs().max() < 0.1 * steepest * frame / 10
