"""Updates that nobody waits for are the updates that one waits for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from small_updater import mini_batch, updater_of
from training_runs import final_bytes, metrics_without_times, train

from longsong.errors import NotFiniteError
from longsong.experiments.parity import largest_error
from longsong.metrics import metric_lines
from longsong.model.fused import FusedGradient
from longsong.model.reference import ReferenceGradient
from longsong.training import enqueued_updates, trainer
from longsong.training.enqueued_step import EnqueuedStep
from longsong.training.enqueued_updates import EnqueuedUpdates, updates_of
from longsong.training.optimiser import RMSProp
from longsong.training.updater import Updater
from longsong.training.updates import ImmediateUpdates

UPDATES = 150  # more than may be under way at once


def pair(dtype: torch.dtype = torch.float64, clip: float = 1.0) -> tuple[Updater, Updater, EnqueuedUpdates]:
    """Give two updaters with equal parameters, and updates of the second that are not waited for."""
    waited, other = (updater_of("gru", "time", dtype=dtype, form=FusedGradient) for _ in range(2))
    for one in (waited, other):
        one.optimiser.step_clip = clip
    return waited, other, EnqueuedUpdates(other.parameters, other.optimiser, other.form, pytest.fail)


@pytest.fixture
def slow(monkeypatch) -> None:
    """Have a device that is never done before one waits for it."""
    monkeypatch.setattr(enqueued_updates._HostMark, "query", lambda self: False)


@pytest.mark.parametrize(
    ("dtype", "clip", "clips", "within"),
    [
        (torch.float64, 1.0, {False}, 1e-12),
        (torch.float64, 0.2, {True, False}, 1e-12),
        (torch.float32, 0.01, {True}, 1e-5),
    ],
)
def test_they_are_those_that_are_waited_for(dtype, clip, clips, within):
    waited, other, updates = pair(dtype, clip)
    clipped = set()
    for number in range(9):
        waited.optimiser.learning_rate = other.optimiser.learning_rate = 0.01 * 0.9**number
        batch = mini_batch(5 if number % 3 else 2, 4, dtype)
        cost, step = waited.update(*batch)
        updates.begin(*batch)
        (found,) = updates.finished(wait=True)
        assert found.cost == pytest.approx(cost, rel=within)
        for name in ("gradient_norm", "step_norm_unclipped", "step_norm", "floor_share"):
            assert getattr(found.step, name) == pytest.approx(getattr(step, name), rel=within), name
        assert found.step.clipped == step.clipped
        assert 0 <= found.computed_seconds <= found.seconds
        clipped.add(step.clipped)
    assert clipped == clips
    assert largest_error(other.parameters, waited.parameters) < within
    assert largest_error(other.optimiser.mean_square, waited.optimiser.mean_square) < within


def test_the_host_runs_ahead_but_not_without_end(slow):
    waited, other, updates = pair()
    costs, ahead = [], 0
    for number in range(UPDATES):
        batch = mini_batch(1 + number % 3, 2)
        costs.append(waited.update(*batch)[0])
        updates.begin(*batch)
        found = list(updates.finished(wait=False))
        ahead += 1 - len(found)
        assert [one.cost for one in found] == pytest.approx(costs[number - ahead + 1 - len(found) : number - ahead + 1])
    assert ahead == enqueued_updates._MOST_IN_FLIGHT - 1
    assert [one.cost for one in updates.finished(wait=True)] == pytest.approx(costs[-ahead:])
    assert largest_error(other.parameters, waited.parameters) < 1e-12


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_after_one_that_is_not_finite_nothing_changes_any_more(slow, broken):
    waited, other, updates = pair()
    batches = [mini_batch(3, 4) for _ in range(5)]
    batches[2][0][1, 1, 1] = broken
    for batch in batches[:2]:
        waited.update(*batch)
    for batch in batches:
        updates.begin(*batch)
    made = updates.finished(wait=True)
    assert len([next(made) for _ in range(2)]) == 2
    with pytest.raises(NotFiniteError, match=r"the train cost is (nan|inf)"):
        next(made)
    assert largest_error(other.parameters, waited.parameters) < 1e-12


def test_inputs_and_targets_may_lie_in_one_memory_or_apart():
    waited, other, updates = pair()
    for number in range(6):
        inputs, targets = mini_batch(3, 4)
        if number % 3 == 1:
            inputs, targets = inputs.clone(), -targets
        if number % 3 == 2:  # two frames apart
            both = torch.cat([inputs, targets], dim=1)
            inputs, targets = both[:, :4], both[:, 2:6]
        waited.update(inputs, targets)
        updates.begin(inputs, targets)
        list(updates.finished(wait=True))
        assert largest_error(other.parameters, waited.parameters) < 1e-12
    memories = [[tuple(one.shape) for one in memory] for memory, _ in updates._work.values()]
    frame = inputs.shape[-1]
    assert memories == [[(3, 5, frame)], [(3, 4, frame), (3, 4, frame)]]


def test_seconds_are_those_since_the_update_before(monkeypatch):
    *_, updates = pair()
    clock = iter([10.0, 11.0, 11.5, 13.0, 13.25, 20.0, 21.0, 21.125])
    monkeypatch.setattr(enqueued_updates.time, "perf_counter", lambda: next(clock))
    found = []
    for _ in range(2):
        updates.begin_epoch()  # only what comes after it counts
        for _ in range(1 + len(found)):
            updates.begin(*mini_batch(1, 2))
        found += [(one.seconds, one.computed_seconds) for one in updates.finished(wait=True)]
    assert found == [(1.5, 0.5), (7.0, 6.75), (1.125, 0.125)]


def test_a_cost_that_is_not_finite_is_no_step_and_none_follows():
    optimiser = RMSProp(torch.zeros(3), learning_rate=0.01, decay=0.9, step_clip=1.0)
    parameters, step = torch.ones(3), EnqueuedStep(optimiser)
    step.set_rate()
    for cost in (float("inf"), 0.5):
        step(parameters, torch.tensor(cost, dtype=torch.float64), torch.ones(3))
        assert torch.equal(parameters, torch.ones(3))
        assert step.statistics[-1] == 0


def test_they_are_those_of_the_fused_form_on_cuda(monkeypatch):
    waited, *_ = pair()
    monkeypatch.setattr(enqueued_updates, "EnqueuedUpdates", lambda *given: given)
    assert isinstance(updates_of(waited, pytest.fail), ImmediateUpdates)
    there = SimpleNamespace(device=torch.device("cuda"))
    on_cuda = SimpleNamespace(parameters=there, optimiser=waited.optimiser, form=waited.form)
    assert updates_of(on_cuda, pytest.fail) == (there, waited.optimiser, waited.form, pytest.fail)
    on_cuda.form = ReferenceGradient(waited.network)
    assert isinstance(updates_of(on_cuda, pytest.fail), ImmediateUpdates)


def test_a_run_of_them_ends_where_the_other_does(shards, tmp_path, monkeypatch, slow):
    whole = train(shards, tmp_path / "waited")
    begun = []

    def enqueued(self, profile):
        begun.append(EnqueuedUpdates(self.updater.parameters, self.optimiser, self.updater.form, pytest.fail))
        return begun[-1]

    monkeypatch.setattr(trainer.Trainer, "_updates", enqueued)
    run = train(shards, tmp_path / "enqueued")
    # Stopped after any update, with others under way, it ends with the same bytes.
    monkeypatch.setattr(trainer, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    stops = iter(range(1, 100))
    stop = trainer.Trainer._stop_if_interrupted

    def stopping(self):
        if self.begun == next(stops, None):
            self.interrupted._flag.set()
        stop(self)

    monkeypatch.setattr(trainer.Trainer, "_stop_if_interrupted", stopping)
    for _ in range(20):
        try:
            stopped = train(shards, tmp_path / "stopped")
            break
        except KeyboardInterrupt:
            pass
    assert len(begun) > 3
    assert final_bytes(stopped) == final_bytes(run)
    assert metrics_without_times(stopped) == metrics_without_times(run)
    for one, other in zip(*(metric_lines(path / "metrics.jsonl") for path in (run, whole)), strict=True):
        key = "train_cost" if one["kind"] == "update" else "dev_cost"
        assert one[key] == pytest.approx(other[key], rel=1e-4)
        assert {**one, "seconds": 0}.keys() == {**other, "seconds": 0}.keys()
