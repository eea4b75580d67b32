"""The audit's own network agrees with the numbers of the original stack (FACTS section 7)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from longsong.audit.network import cell_of, expected_shapes, layers_of, predict, recurrent_parameters
from longsong.errors import RunError

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.npz"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_predictions_and_cost_of_the_original_stack(path: Path) -> None:
    golden = np.load(path, allow_pickle=False)
    meta = json.loads(str(golden["meta"]))
    p = {name.removeprefix("init:"): golden[name] for name in golden.files if name.startswith("init:")}
    frame, seq, song = meta["frame"], meta["seq"], golden["song"]
    inputs, targets = (x.reshape(-1, seq, frame)[:3] for x in (song[:-frame], song[frame:]))
    found = predict(p, inputs, meta["recurrence_axis"])
    assert np.abs(found - golden["probe:y_hat"]).max() <= 1e-12 * np.abs(golden["probe:y_hat"]).max()
    assert np.mean((found - targets) ** 2) == pytest.approx(float(golden["probe:cost"]), rel=1e-12)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_shapes_of_the_original_stack(path: Path) -> None:
    golden = np.load(path, allow_pickle=False)
    meta = json.loads(str(golden["meta"]))
    shapes = {name.removeprefix("init:"): golden[name].shape for name in golden.files if name.startswith("init:")}
    assert cell_of(shapes) == meta["cell"]
    assert layers_of(shapes) == meta["layers"]
    assert expected_shapes(meta["cell"], meta["frame"], meta["hidden"], meta["layers"]) == shapes
    inner = [np.prod(shape) for name, shape in shapes.items() if not name.startswith(("input_to", "hidden_to"))]
    assert sum(inner) == meta["layers"] * recurrent_parameters(meta["cell"], meta["hidden"])


def test_parameters_of_no_network_are_refused() -> None:
    with pytest.raises(RunError, match="no GRU, LSTM or RNN"):
        cell_of(["dense.W"])
