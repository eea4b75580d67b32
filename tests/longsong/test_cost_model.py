"""What configurations cost: laws of the counts, and each count against what the code itself makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_song import tune
from torch.utils.flop_counter import FlopCounterMode

import streams
from longsong import cost_steps
from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.cost_model import SongSize, breaking_points, order_bytes, plan_memory, workload
from longsong.cost_steps import Accelerator, extended, launches_of_step, measure
from longsong.cost_time import (
    RunTime,
    all_reduce_seconds,
    measure_reading,
    ranks_of,
    run_time,
    share_of_rank,
    whole_grid,
)
from longsong.errors import SpaceError
from longsong.estimate import Costs
from longsong.model import Network
from longsong.model.reference import ReferenceGradient
from longsong.training.memory import resident_bytes
from longsong.training.monitors import Monitors
from longsong.training.optimiser import StepStatistics
from longsong.training.plan import BYTES_AN_UPDATE, Plan, make_plan
from longsong.training.splits import Splits
from streams import ShardWriter
from streams.index import LARGEST_INDEX

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
CELLS = ("gru", "lstm", "rnn")
RATE = 16_000


def hours(number: float) -> SongSize:
    return SongSize(round(number * 3600 * RATE), RATE)


def load_of(number: float = 1.0, frame: int = 40, seq: int = 50, hidden: int = 8, epochs: int = 3, cell: str = "gru"):
    return workload(hours(number), DataConfig(frame, seq), ModelConfig(cell=cell, hidden=hidden), epochs)


@pytest.mark.parametrize("encoding", ["npy", "flac"])
@pytest.mark.parametrize("samples", [1, 4_999, 5_000, 15_000, 15_001, 60_000])
def test_shards_are_as_long_as_those_that_are_written(tmp_path, encoding, samples):
    with ShardWriter(
        tmp_path / "song", sample_rate=RATE, source=[], made_by={}, block_samples=5000, blocks_per_shard=3,
        encoding=encoding,
    ) as writer:  # fmt: skip
        writer.write(tune(samples))
    index = streams.Song.open(tmp_path / "song").index
    size = SongSize(samples, RATE, 5000, 3)
    assert (size.members, size.shards) == (len(index.starts) - 1, len(index.shards))
    written = sum(shard.bytes for shard in index.shards)
    if encoding == "npy":
        assert size.shard_bytes() == written
    else:  # no two blocks take the same: within the padding of tars
        ratio = sum(int(shard.sizes.sum()) for shard in index.shards) / (2 * samples)
        assert abs(size.shard_bytes(ratio) - written) <= 10_240 * size.shards
    if samples == 60_000:  # full shards
        entries = len(index.to_bytes()) - len(replace(index, shards=index.shards[:1]).to_bytes())
        ratio = None if encoding == "npy" else 0.5
        estimated = size.index_bytes(ratio) - replace(size, samples=15_000).index_bytes(ratio)
        assert estimated == pytest.approx(entries, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(1, 40_000), frame=st.integers(1, 60), seq=st.integers(1, 30))
def test_examples_are_those_of_a_song_of_that_length(samples, frame, seq):
    song = streams.ArraySong(np.arange(samples, dtype=np.int16), RATE)
    split = streams.train_samples(samples)
    load = workload(SongSize(samples, RATE), DataConfig(frame, seq), ModelConfig(hidden=2), 1)
    shape = {"frame": frame, "seq": seq, "normalise": "none"}
    assert load.train == len(streams.Windows(song, **shape, stop=split))
    assert load.dev == len(streams.Windows(song, **shape, start=split))
    assert load.updates_per_epoch == len(streams.ShuffledScheme(load.train, 128))


@settings(max_examples=15, deadline=None)
@given(
    cell=st.sampled_from(CELLS), hidden=st.integers(1, 7), frame=st.integers(1, 6), seq=st.integers(1, 5),
    epochs=st.integers(1, 3),
)  # fmt: skip
def test_operations_are_those_that_are_made_in_all_updates_and_evaluations(cell, hidden, frame, seq, epochs):
    load = workload(
        SongSize(40 * frame * seq, RATE), DataConfig(frame, seq, batch=16), ModelConfig(cell, hidden), epochs
    )
    network = Network(load.model, frame)
    form, parameters = ReferenceGradient(network), network.initial_parameters(1)

    def mini_batches(examples: int) -> list[torch.Tensor]:
        return list(torch.split(torch.randn(examples, seq + 1, frame, dtype=torch.float64), 16))

    with FlopCounterMode(display=False) as counted:
        for _ in range(epochs):
            for batch in mini_batches(load.train):
                form.cost_and_gradient(parameters, batch[:, :-1], batch[:, 1:])
        for _ in range(epochs + 1):
            for batch in mini_batches(load.dev):
                form.cost(parameters, batch[:, :-1], batch[:, 1:])
    assert load.dev > 0
    assert sum(load.operations().values()) == counted.get_total_flops()


@pytest.mark.parametrize(("cell", "factor"), [("gru", 36), ("lstm", 48), ("rnn", 12)])
def test_the_operations_by_the_formula(cell, factor):
    load = replace(load_of(cell=cell, hidden=16), dev=0)
    frames = load.train * load.data.seq * load.epochs
    of_frames = 40 * 16 * frames
    assert load.operations() == {
        "recurrence": 2 * factor * 16**2 * frames, "input": 4 * of_frames, "output": 6 * of_frames,
    }  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_twice_the_hours_is_twice_the_work(cell):
    one, two = load_of(3, cell=cell), load_of(6, cell=cell)
    assert two.train == pytest.approx(2 * one.train, abs=2)
    for kind, count in one.operations().items():
        assert two.operations()[kind] == pytest.approx(2 * count, rel=1e-3)
    assert two.song.shard_bytes() == pytest.approx(2 * one.song.shard_bytes(), rel=1e-3)
    assert two.parameters == one.parameters
    assert order_bytes(two) == 8 * two.train
    longer = replace(one, epochs=2 * one.epochs)
    assert (longer.updates, longer.steps) == (2 * one.updates, 2 * one.steps)
    assert replace(one, dev=0, epochs=6).operations()["recurrence"] == (
        2 * replace(one, dev=0, epochs=3).operations()["recurrence"]
    )


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize(("frame", "seq", "hidden"), [(40, 50, 199), (1000, 1000, 256), (4000, 100, 64)])
def test_memory_is_the_trainers_own_plan(monkeypatch, device, frame, seq, hidden):
    held = resident_bytes()
    monkeypatch.setattr("longsong.training.footprint.resident_bytes", lambda: held)
    load = load_of(3, frame, seq, hidden, epochs=30)
    execution = ExecutionConfig(device=device.type, elementwise="plain")
    network = Network(load.model, frame)
    plan = plan_memory(load, execution, device, 6 << 30)
    assert plan == make_plan(load.data, network, execution, load.work, device, 6 << 30)
    assert plan.bytes <= 6 << 30
    with pytest.raises(SpaceError, match=f"{frame}x{seq} with hidden {hidden} does not fit in"):
        plan_memory(load, execution, device, 1 << 20)


def test_the_disk_has_room_for_what_every_update_writes(tmp_path):
    updates = 200
    step = StepStatistics(0.123456789012345, 0.0123456789012345, 1.23456789012345, False, 0.9876543210987654)
    with Monitors(tmp_path) as monitors:
        for update in range(updates):
            monitors.update(
                update=62_000_000 + update, epoch=30, indices=np.arange(128), cost=0.0123456789012345, step=step,
                learning_rate=0.00123456789012345, seconds=0.123456789012345, waited_seconds=0.000123456789012345,
                computed_seconds=0.12345678901234567,
            )  # fmt: skip
    written = sum(path.stat().st_size for path in tmp_path.iterdir()) / updates
    assert 0.8 * BYTES_AN_UPDATE < written <= BYTES_AN_UPDATE
    few, many = load_of(1), load_of(1000)
    assert few.disk_bytes(ExecutionConfig()) < many.disk_bytes(ExecutionConfig())
    assert many.disk_bytes(ExecutionConfig()) > many.updates * BYTES_AN_UPDATE
    assert few.disk_bytes(ExecutionConfig(precision="float64")) > few.disk_bytes(ExecutionConfig())


def test_what_breaks_is_named_by_the_limits_of_the_code():
    assert breaking_points(load_of(3)) == []
    (said,) = breaking_points(load_of(3, 40_000, 10_000))
    assert "400,000,000 samples" in said
    (said,) = breaking_points(load_of(0.1, 40_000, 50))
    assert "no dev example" in said
    (said,) = breaking_points(load_of(11_000))
    assert "ShardShuffledScheme" in said
    longest = next(h for h in (10_000 * 2**n for n in range(20)) if hours(h).index_bytes(0.5) > LARGEST_INDEX)
    assert any("index.json" in said for said in breaking_points(load_of(longest), 0.5))


STEP = {"fixed": 0.001, "row": 0.002, "sample": 0.00001}
COSTS = Costs.mean([{"training": STEP, "prediction": STEP, "generation": STEP}])


def test_costs_are_extended_by_operations():
    narrow, wide = ModelConfig(hidden=100), ModelConfig(hidden=400)
    found = extended(COSTS, narrow, wide).to_json()["training"]
    assert found == pytest.approx({"fixed": 16 * 0.001, "row": 16 * 0.002, "sample": 4 * 0.00001}, rel=1e-9)
    assert extended(COSTS, narrow, narrow).to_json() == COSTS.to_json()


def test_networks_that_take_long_are_measured_narrower(monkeypatch):
    now, made = [0.0], []
    monkeypatch.setattr(cost_steps.time, "perf_counter", lambda: now[0])

    def measuring(model, execution):
        made.append(model.hidden)
        now[0] += (model.hidden / 256) ** 2
        return extended(COSTS, ModelConfig(hidden=256), replace(model, hidden=model.hidden))

    def measured(hidden: int, seconds: float):
        made.clear()
        return measure(ModelConfig(hidden=hidden), ExecutionConfig(device="cpu"), seconds, measuring)

    found = measured(199, 0.0)
    assert (found.hidden, made, found.error) == ((199,), [199], None)
    found = measured(2048, 20.0)  # 1024 takes 16 seconds, and 2048 would take 64
    assert (found.hidden, made) == ((256, 1024), [8, 256, 1024])
    assert found.error == pytest.approx(1.0)
    expected = extended(COSTS, ModelConfig(hidden=256), ModelConfig(hidden=2048))
    assert found.costs.training(128, 1000) == pytest.approx(expected.training(128, 1000))
    found = measured(2048, 100.0)
    assert found.hidden == (256, 2048)
    found = measured(4096, 0.0)
    assert (found.hidden, made, found.error) == ((256,), [8, 256], None)


@pytest.mark.parametrize("cell", CELLS)
def test_an_accelerator_takes_its_operations_and_its_launches(cell):
    model = ModelConfig(cell=cell, hidden=32)
    training, prediction = launches_of_step(model)
    assert training > 2 * prediction > 0
    one_layer = launches_of_step(replace(model, layers=1))
    assert (training, prediction) == (2 * one_layer[0], 2 * one_layer[1])
    costs = Accelerator(1e12, 0.5, 0.0).costs(model)
    load = replace(load_of(cell=cell, hidden=32), train=128, dev=0, epochs=1)
    operations = sum(load.operations().values())
    assert load.data.seq * costs.training(128, 40) == pytest.approx(operations / 0.5e12)
    launching = Accelerator(1e30, 1.0, 1e-5).costs(model)
    assert launching.training(128, 40) == pytest.approx(training * 1e-5)
    assert launching.prediction(128, 40) == pytest.approx(prediction * 1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_an_accelerator_with_kernels_takes_as_long_a_step_as_was_measured(cell):
    model = ModelConfig(cell=cell, hidden=32, layers=3)
    launching, found = (Accelerator(1e12, 0.5, 1e-5, step).costs(model) for step in (None, 8e-6))
    for rows in (1, 128):
        assert found.training(rows, 0) == pytest.approx(8e-6)
        assert found.prediction(rows, 0) == pytest.approx(4e-6)
        # The frames' products are one for all steps, as they were.
        same = launching.training(rows, 40) - launching.training(rows, 0)
        assert found.training(rows, 40) - found.training(rows, 0) == pytest.approx(same)
    assert found.to_json()["generation"] == launching.to_json()["generation"]


def test_a_ring_sends_all_bytes_nearly_twice():
    assert all_reduce_seconds(1000, 4, 1, 1e6) == 0.0
    assert all_reduce_seconds(1000, 4, 2, 1e6) == pytest.approx(0.004)
    assert all_reduce_seconds(1000, 4, 8, 1e6) == pytest.approx(0.007)


def test_ranks_have_their_rows_and_wait_for_the_gradient():
    load = load_of(3)
    plan = Plan(128, 50, 128, 50, {})

    def time(devices: int, bandwidth: float = 1e30) -> RunTime:
        ranks = ranks_of(load, devices)
        share = share_of_rank(load, ranks)
        rank_plan = Plan(share.data.batch, 50, share.data.batch, 50, {})
        return run_time(load, COSTS, plan, rank_plan, ranks, 4, bandwidth)

    alone = time(1)
    assert alone.shared == pytest.approx(alone.alone)
    assert alone.update == pytest.approx(50 * (0.001 + 128 * (0.002 + 40 * 0.00001)))
    assert alone.alone > load.updates * alone.update * 0.99
    assert [share_of_rank(load, n).data.batch for n in (1, 2, 3, 8, 128)] == [128, 64, 43, 16, 1]
    assert alone.alone > time(2).shared > time(8).shared > time(128).shared == time(1000).shared
    # With all rows at no cost, what is left is what a step takes beside its rows: that no rank saves.
    assert time(128).shared > 50 * 0.001 * load.updates
    slow = time(8, 1e6).shared - time(8).shared
    assert slow == pytest.approx(load.updates * all_reduce_seconds(load.parameters, 4, 8, 1e6))
    few = replace(load, train=3)
    assert ranks_of(few, 8) == 3


def test_the_whole_grid_side_by_side_and_in_turn():
    times = [RunTime(1.0, seconds, seconds / 3, 0.1) for seconds in (8.0, 5.0, 4.0, 3.0)]
    assert whole_grid(times, 1)[0] == 20.0
    assert whole_grid(times, 2) == (11.0, pytest.approx(20 / 3))  # 8 and 3; 5 and 4
    assert whole_grid(times, 4)[0] == 8.0
    assert whole_grid([], 3) == (0.0, 0)


def test_reading_reads_all_of_a_song(monkeypatch):
    seen = []
    for name in ("baselines",):
        whole = getattr(Splits, name)
        monkeypatch.setattr(Splits, name, lambda self, whole=whole: (seen.append(len(self.song)), whole(self))[1])
    assert measure_reading(1 << 16) > 0
    assert seen == [1 << 16]
