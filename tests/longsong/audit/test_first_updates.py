"""The first update computed again: against the original stack's numbers, and against the initial parameters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from run_folders import copy, edit

from longsong.audit import first_updates
from longsong.audit.first_updates import draw_parameters, initial_parameters, rmsprop_step
from longsong.audit.gradient import cost_and_gradient
from longsong.audit.network import expected_shapes, predict
from longsong.audit.run import Run
from longsong.config import Cell, ModelConfig
from longsong.errors import RunError
from longsong.model import Network

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.npz"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_first_step_of_the_original_stack(path: Path) -> None:
    """Cost, step norm, and the cost of the second mini-batch after that step; clipped in the files that say so."""
    golden = np.load(path, allow_pickle=False)
    meta = json.loads(str(golden["meta"]))
    p = {name.removeprefix("init:"): golden[name] for name in golden.files if name.startswith("init:")}
    frame, seq, song = meta["frame"], meta["seq"], golden["song"]
    inputs, targets = (x.reshape(-1, seq, frame) for x in (song[:-frame], song[frame:]))
    first, second = (row[row >= 0] for row in golden["order"][:2])
    cost, gradient = cost_and_gradient(p, inputs[first], targets[first], meta["recurrence_axis"])
    flat = np.concatenate([gradient[name].reshape(-1) for name in p])
    step = rmsprop_step(flat, meta["learning_rate"], meta["rmsprop_decay"], meta["step_clip"])
    assert cost == pytest.approx(float(golden["train_cost"][0]), rel=1e-12)
    assert step.norm == pytest.approx(float(golden["step_norm"][0]), rel=1e-12)
    after, at = {}, 0
    for name, tensor in p.items():
        after[name], at = tensor - step.step[at : at + tensor.size].reshape(tensor.shape), at + tensor.size
    found = np.mean((predict(after, inputs[second], meta["recurrence_axis"]) - targets[second]) ** 2)
    assert found == pytest.approx(float(golden["train_cost"][1]), rel=1e-11)


@pytest.mark.parametrize("cell", get_args(Cell))
@pytest.mark.parametrize("layers", [1, 2, 11])
def test_initial_parameters_are_those_that_training_draws(cell: Cell, layers: int) -> None:
    network = Network(ModelConfig(cell=cell, hidden=5, layers=layers), 7)
    due = {name: tensor.numpy() for name, tensor in network.named(network.initial_parameters(3)).items()}
    found = draw_parameters(expected_shapes(cell, 7, 5, layers), 3, 0.04)
    assert found.keys() == due.keys()
    for name in due:
        assert np.array_equal(found[name], due[name]), name


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_forget_bias_is_where_training_puts_it(cell: Cell) -> None:
    network = Network(ModelConfig(cell=cell, hidden=5, forget_bias=1.5), 7)
    due = {name: tensor.numpy() for name, tensor in network.named(network.initial_parameters(3)).items()}
    found = draw_parameters(expected_shapes(cell, 7, 5, 2), 3, 0.04)
    first_updates._keep_more(found, 5, 1.5)
    for name in due:
        assert np.array_equal(found[name], due[name]), name


@pytest.mark.parametrize(
    ("tell", "said"),
    [
        (lambda source, run: (source / "checkpoints" / "best.safetensors").unlink(), "whose there is no"),
        (lambda source, run: edit(source / "summary.json", best__sha256="0" * 64), "best.safetensors was altered"),
        (lambda source, run: edit(run / "config.json", model__hidden=200), "has the shape|of another shape"),
    ],
    ids=["gone", "altered", "another shape"],
)
def test_parameters_of_another_run_are_looked_at_first(
    tell: Callable[[Path, Path], None], said: str, honest: Path, tmp_path: Path
) -> None:
    run, source = (copy(honest / "40x50-gru-199-s1", tmp_path / name) for name in ("run", "source"))
    edit(run / "config.json", training__start_from="elsewhere/source")
    found = initial_parameters(Run.open(run), Run.open(source))
    held = Run.open(source).parameters("best", 40)
    assert all(np.array_equal(found[name], held[name]) for name in held)
    tell(source, run)
    with pytest.raises(RunError, match=said):
        initial_parameters(Run.open(run), Run.open(source))
    with pytest.raises(RunError, match="elsewhere/source, which is not among these runs"):
        initial_parameters(Run.open(run))


def test_a_clipped_gradient_makes_another_step_where_the_floor_is_felt() -> None:
    gradient = np.array([1e-6, -3e-5, 2.0, 0.0])
    whole, scaled = (rmsprop_step(g, 0.002, 0.95, 1.0) for g in (gradient, 0.01 * gradient))
    assert whole.gradient_norm == pytest.approx(2.0)
    assert whole.floor_share == 0.75
    assert scaled.unclipped < whole.unclipped
    assert whole.step[2] == pytest.approx(0.002 / 0.05**0.5)
    assert whole.step[0] == pytest.approx(0.002 * 1e-6 / 1e-5)


def test_a_step_is_clipped_and_not_its_gradient() -> None:
    step = rmsprop_step(np.ones(10_000), 0.01, 0.95, 1.0)
    assert step.unclipped == pytest.approx(100 * 0.01 / 0.05**0.5)
    assert step.norm == 1.0
    assert np.linalg.norm(step.step) == pytest.approx(1.0)
