"""The audit's own back-propagation agrees with the gradients of the original stack (FACTS section 7)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from longsong.audit.gradient import cost_and_gradient

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.npz"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_cost_and_gradient_of_the_original_stack(path: Path) -> None:
    golden = np.load(path, allow_pickle=False)
    meta = json.loads(str(golden["meta"]))
    p = {name.removeprefix("init:"): golden[name] for name in golden.files if name.startswith("init:")}
    frame, seq, song = meta["frame"], meta["seq"], golden["song"]
    inputs, targets = (x.reshape(-1, seq, frame)[:3] for x in (song[:-frame], song[frame:]))
    cost, gradient = cost_and_gradient(p, inputs, targets, meta["recurrence_axis"])
    assert cost == pytest.approx(float(golden["probe:cost"]), rel=1e-12)
    assert gradient.keys() == p.keys()
    for name, found in gradient.items():
        due = golden[f"grad:{name}"]
        assert found.shape == due.shape
        assert np.abs(found - due).max() <= 1e-12 * np.abs(due).max(), name
