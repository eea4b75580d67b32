"""The benchmark of generation: its plain loop is the post's words, its floor the same products, its ratios right."""

from __future__ import annotations

import pytest
import torch

from benchmarks import generate
from benchmarks.generate_candidates import Carry, Floor, StepByStep, Task, Wavefront, last_frames, noted_products
from longsong.generation import Crossfade
from longsong.model.fused import has_bfloat16

TASK = Task(frame=6, seq=5, hidden=4, frames=9)


def test_the_plain_loop_feeds_whole_predictions_back():
    network, parameters = TASK.network()
    sequence, expected = TASK.seeds(), []
    for _ in range(4):
        sequence = network.predict(network.named(parameters), sequence)
        expected.append(sequence[:, -1])
    found = list(last_frames(network, parameters, TASK.seeds(), 4))
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))


def test_the_floor_has_the_products_of_every_front():
    products = noted_products(TASK)
    assert all(a.shape[1] == b.shape[0] and out.shape == (a.shape[0], b.shape[1]) for a, b, out in products)
    # Two layers of a step: of the rows under way the recurrent products, each with as many rows as there are.
    rows = [min(front + 1, TASK.seq, TASK.frames, TASK.frames + TASK.seq - 1 - front) for front in range(13)]
    recurrent = [a.shape[0] for a, b, _ in products if tuple(b.shape) == (4, 8)]
    assert recurrent == [n for n in rows for _ in range(2)]


def test_what_computes_wrongly_is_not_timed(monkeypatch):
    monkeypatch.setattr(Wavefront, "_pieces", lambda self, *_: iter([torch.zeros(2, 1, 6)]))
    with pytest.raises(Exception, match="off the plain loop by"):
        Wavefront("float32").open(TASK)


def test_every_candidate_gives_seconds():
    for candidate in (StepByStep(), Wavefront("float32"), Floor("float32"), Carry(), Carry(Crossfade, "c", "c")):
        assert candidate.missing() is None
        assert 0 < candidate.open(TASK)() < 60
    assert [kind("bfloat16").missing() is None for kind in (Wavefront, Floor)] == [has_bfloat16()] * 2


def test_ratios_follow_from_the_rows():
    rows = [
        {"candidate": "step by step", "precision": "float32", "shape": "40x50", "frame": 40, "seconds": 6.0},
        {"candidate": "wavefront float32", "precision": "float32", "shape": "40x50", "frame": 40, "seconds": 0.5},
        {"candidate": "wavefront bfloat16", "precision": "bfloat16", "shape": "40x50", "frame": 40, "seconds": 0.25},
        {"candidate": "carry", "precision": "float32", "shape": "40x50", "frame": 40, "seconds": 0.1},
        {"candidate": "carry crossfade", "precision": "float32", "shape": "40x50", "frame": 40, "seconds": 0.2},
    ]
    for row in rows:
        row["over_step"], row["over_realtime"] = 6.0 / row["seconds"], 2.0 / row["seconds"]
    rows[1]["over_floor"] = 0.8
    assert generate.ratios(rows) == pytest.approx(
        {
            "wavefront_over_step:float32:40x50": 12.0,
            "wavefront_over_floor:float32:40x50": 0.8,
            "wavefront_over_step:bfloat16:40x50": 24.0,
            "bfloat16_over_float32:40x50": 2.0,
            "carry_over_realtime:40": 20.0,
            "carry_crossfade_over_realtime:40": 10.0,
        }
    )
