"""What is split, how, and what is said where nothing fits."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import streams
from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.errors import ConfigError, SpaceError
from longsong.model import Network
from longsong.reported import EPOCHS, SONG_SECONDS, post_configurations
from longsong.training import footprint, plan
from longsong.training.footprint import Work
from longsong.training.plan import Plan, choose_memory, make_plan, plan_of
from longsong.units import human_bytes

CPU = torch.device("cpu")
PROCESS = 300 << 20


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """A process of a size that does not depend on what other tests have loaded."""
    monkeypatch.setattr(footprint, "resident_bytes", lambda: PROCESS)
    monkeypatch.setattr(footprint, "_NUMBA", 0)


def planned(
    data: DataConfig, model: ModelConfig, memory: int, examples: int = 1000, samples: int = 10**6, **execution
) -> Plan:
    work = Work(examples, examples // 10, 30, samples)
    network = Network(model, data.frame)
    return make_plan(data, network, ExecutionConfig(**execution), work, CPU, memory)


def least_mebibytes(data: DataConfig, model: ModelConfig, memory: int, **options) -> int | None:
    """Give the least memory that a refusal speaks of; None where nothing is refused."""
    try:
        planned(data, model, memory, **options)
    except SpaceError as error:
        return int(re.findall(r"give --memory (\d+)MiB or more", str(error))[0])
    return None


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("shape", post_configurations((256,)), ids=lambda c: c.shape)
def test_every_shape_of_the_post_fits_in_6_gib(cell, shape):
    """Full mini-batches, or all train examples of the post's song where it has fewer; most shapes in one piece."""
    samples = SONG_SECONDS * 16_000
    split = streams.train_samples(samples)
    one = shape.frame * shape.seq
    train, dev = max(1, split // one), (samples - split) // one
    data, network = DataConfig(shape.frame, shape.seq), Network(ModelConfig(cell=cell, hidden=256), shape.frame)
    work = Work(train, dev, EPOCHS, max(samples, one))
    found = make_plan(data, network, ExecutionConfig(elementwise="compiled"), work, CPU, 6 << 30)
    assert found.bytes <= 6 << 30
    assert found.rows == min(128, train)
    whole = found.micro_batch == found.rows and found.segment == found.steps
    assert whole or (shape.frame <= 100 and shape.seq >= 4000)


@given(
    batch=st.integers(1, 300),
    seq=st.integers(1, 400),
    hidden=st.integers(1, 300),
    cell=st.sampled_from(["gru", "lstm", "rnn"]),
    form=st.sampled_from(["fused", "reference"]),
    recurrence=st.sampled_from(["time", "batch"]),
    samples=st.integers(1, 10**10),
    spare=st.integers(0, 30),
)
def test_what_is_planned_fits_or_the_least_that_works_is_said(
    batch, seq, hidden, cell, form, recurrence, samples, spare
):
    data = DataConfig(20, seq, batch=batch)
    model = ModelConfig(cell=cell, hidden=hidden, recurrence=recurrence)
    memory = PROCESS + (32 << 20) + (1 << spare)
    needed = least_mebibytes(data, model, memory, samples=samples, form=form)
    if needed is not None:
        assert planned(data, model, needed << 20, samples=samples, form=form).bytes > memory
        with pytest.raises(SpaceError):
            planned(data, model, (needed - 18) << 20, samples=samples, form=form)
        return
    found = planned(data, model, memory, samples=samples, form=form)
    assert found.bytes <= memory
    assert 1 <= found.micro_batch <= found.rows
    assert 1 <= found.segment <= found.steps
    assert sum(found.micro_batches) == found.rows
    if form == "reference":
        assert found.segment == found.steps


@given(st.integers(0, 40))
def test_more_memory_never_takes_more_time(step):
    data, model = DataConfig(40, 2000), ModelConfig(hidden=256)
    memory = PROCESS + (600 << 20) + step * (100 << 20)
    less, more = planned(data, model, memory), planned(data, model, memory + (100 << 20))
    assert more.effort <= less.effort
    assert less.effort >= planned(data, model, 1 << 50).effort


def test_what_fits_is_not_split_and_what_does_not_is_split_in_the_least_time():
    data, model = DataConfig(40, 2000), ModelConfig(hidden=256)
    whole = planned(data, model, 1 << 50)
    assert (whole.micro_batch, whole.segment) == (128, 2000)
    assert whole.describe() == human_bytes(whole.bytes)
    half = planned(data, model, whole.bytes - 1)
    assert (half.micro_batch, half.segment) == (64, 2000)  # cheaper than to compute states twice
    quarter = planned(data, model, PROCESS + (1200 << 20))
    assert quarter.micro_batch == 128
    assert quarter.segment < 2000
    assert re.fullmatch(r"[\d.]+ (MiB|GiB), segments of [\d,]+ steps", quarter.describe())
    both = planned(data, model, PROCESS + (310 << 20))
    assert both.micro_batch < 128
    assert both.segment < 2000
    assert "micro-batches, segments of" in both.describe()


def test_pieces_that_are_asked_for_are_taken_or_refused():
    data, model = DataConfig(40, 2000), ModelConfig(hidden=256)
    asked = planned(data, model, 1 << 50, micro_batch=7, segment=30)
    assert (asked.micro_batch, asked.segment) == (7, 30)
    assert planned(data, model, 1 << 50, micro_batch=500, segment=10**6) == planned(data, model, 1 << 50)
    with pytest.raises(SpaceError, match=r"pieces asked for take [\d.]+ GiB .* for an update.*--memory \d+MiB"):
        planned(data, model, 1 << 30, micro_batch=128, segment=2000)


def test_a_mini_batch_is_never_more_than_there_is():
    data, model = DataConfig(4000, 1000), ModelConfig(hidden=64)
    few, many = planned(data, model, 1 << 50, examples=3), planned(data, model, 1 << 50, examples=128)
    assert few.rows == 3
    assert all(10 * few.parts[part] < many.parts[part] for part in ("an update", "mini-batches"))


def test_the_plan_of_a_record_is_that_of_its_start():
    data, model = DataConfig(40, 2000), ModelConfig(hidden=256)
    work, network = Work(1000, 100, 30, 10**6), Network(model, 40)
    execution = ExecutionConfig(device="cpu", memory=2 << 30)
    made = make_plan(data, network, execution, work, CPU, 2 << 30)
    kept = ExecutionConfig(device="cpu", memory=2 << 30, micro_batch=made.micro_batch, segment=made.segment)
    assert plan_of(data, network, kept, work) == made


def test_rounding_to_bfloat16_counts():
    data, model = DataConfig(40, 500), ModelConfig(hidden=256)
    full, rounded = (planned(data, model, 1 << 50, precision=p) for p in ("float32", "bfloat16"))
    assert full.bytes < rounded.bytes < 2 * full.bytes


def test_memory_is_three_quarters_of_what_is_free_or_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(plan, "resident_bytes", lambda: 100)
    monkeypatch.setattr(plan, "free_memory", lambda device: 1000)
    monkeypatch.setattr(plan, "total_memory", lambda device: 8 << 30)
    assert choose_memory(None, CPU) == 100 + 750
    assert choose_memory(8 << 30, CPU) == 8 << 30
    with pytest.raises(ConfigError, match=r"memory 9\.0 GiB is more than the 8\.0 GiB"):
        choose_memory(9 << 30, CPU)
