import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train_peers import KerasGRU, Ours, ProductsAlone, Split, Task, TorchGRU, shortened
from longsong.reported import LAYERS
from longsong.training.floor import products_of_update

TASK = Task(frame=4, seq=6, hidden=3, batch=5)


def flops_of(candidate, task=TASK):
    """Count what one update multiplies and adds in matrix products; not the first, in which a model may be built."""
    measure = candidate.open(task, *task.mini_batch())
    measure()
    with FlopCounterMode(display=False) as counted:
        assert 0 < measure() < 60
    return counted.get_total_flops()


def floor_of(task):
    return sum(product.flops for product in products_of_update(task.network(), task.seq, task.batch))


@pytest.fixture
def floor():
    return floor_of(TASK)


def test_a_mini_batch_is_one_buffer_seen_twice():
    inputs, targets = TASK.mini_batch()
    assert inputs.shape == targets.shape == (5, 6, 4)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert targets.data_ptr() == inputs.data_ptr() + 4 * inputs.element_size()
    assert not inputs.is_contiguous()
    assert torch.equal(inputs, TASK.mini_batch()[0])


@pytest.mark.parametrize("candidate", [Ours("float32"), Ours("reference"), ProductsAlone()], ids=lambda c: c.name)
def test_an_update_has_the_products_of_the_floor_and_no_other(candidate, floor):
    assert flops_of(candidate) == floor


@pytest.mark.parametrize("split", [Split(micro_batch=2), Split(micro_batch=5, segment=6)], ids=str)
def test_micro_batches_cost_no_product_more(split, floor):
    assert flops_of(Ours(split=split)) == floor


def test_segments_are_computed_a_second_time(floor):
    assert floor < flops_of(Ours(split=Split(segment=2))) < 4 / 3 * floor


def test_nn_gru_has_as_many_products_but_for_the_gradient_of_an_initial_state(floor):
    initial = LAYERS * 2 * TASK.batch * TASK.hidden * 3 * TASK.hidden
    assert flops_of(TorchGRU()) == floor - initial


def test_keras_has_about_as_many_products():
    if reason := KerasGRU().missing():
        pytest.skip(reason)
    # It has no gradient of an initial state either, and makes the first step twice.
    task = Task(frame=4, seq=60, hidden=3, batch=5)
    assert flops_of(KerasGRU(), task) == pytest.approx(floor_of(task), rel=0.01)


def test_what_cannot_run_here_says_why(monkeypatch):
    monkeypatch.setattr("benchmarks.train_peers.has_bfloat16", lambda: False)
    assert "bfloat16" in Ours("bfloat16").missing()
    monkeypatch.setattr("benchmarks.train_peers.find_spec", lambda name: None)
    assert "keras" in KerasGRU().missing()
    assert Ours("float32").missing() is Ours("reference").missing() is TorchGRU().missing() is None


def test_a_task_is_shortened_and_never_made_longer():
    assert shortened(TASK, 2).shape == "4x2"
    assert shortened(TASK, 100) == TASK
