"""The golden files, and files that are none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from longsong.cli import main
from longsong.config import ExecutionConfig
from longsong.experiments import parity as parity_module
from longsong.experiments.parity import (
    FORWARD_TOLERANCE,
    TRAINING_TOLERANCE,
    GoldenFileError,
    largest_error,
    measure_parity,
)

GOLDEN = sorted(Path("tests/golden").glob("*.npz"))


def test_all_nine_are_there():
    assert len(GOLDEN) == 9


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "execution",
    [
        ExecutionConfig(),
        ExecutionConfig(micro_batch=3, segment=2),
        ExecutionConfig(elementwise="plain"),
        ExecutionConfig(elementwise="plain", segment=1),
        ExecutionConfig(form="reference"),
        ExecutionConfig(form="reference", micro_batch=1),
        ExecutionConfig(form="reference", micro_batch=3),
    ],
    ids=lambda e: f"{e.form}-{e.elementwise}-{e.micro_batch}-{e.segment}",
)
def test_the_numbers_of_the_original_stack(path, execution):
    parity = measure_parity(path, execution)
    assert parity.order
    for name, error in parity.forward.items():
        assert error <= FORWARD_TOLERANCE, name
    for name, error in parity.training.items():
        assert error <= TRAINING_TOLERANCE, name
    with np.load(path) as golden:
        names = {name[5:] for name in golden.files if name.startswith("init:")}
    assert {f"gradient {name}" for name in names} <= set(parity.forward)
    assert {f"final {name}" for name in names} <= set(parity.training)


def test_steps_are_clipped_in_the_files_that_say_so():
    for path in GOLDEN:
        with np.load(path) as golden:
            clipped = np.isclose(golden["step_norm"], 0.05, rtol=1e-9).mean()
        assert (clipped > 0) == path.stem.endswith("_clip")


def altered(source: Path, target: Path, name: str, factor: float) -> Path:
    with np.load(source) as golden:
        arrays = {key: golden[key] for key in golden.files}
    arrays[name] = arrays[name] * factor
    np.savez(target, **arrays)
    return target


@pytest.mark.parametrize(
    "name",
    [
        "probe:y_hat",
        "probe:cost",
        "grad:gru0.state_to_gates",
        "train_cost",
        "step_norm",
        "dev_cost",
        "final:hidden_to_output.b",
    ],
)
def test_a_number_that_is_off_is_noticed(tmp_path, name, capsys):
    path = altered(Path("tests/golden/gru_time.npz"), tmp_path / "off.npz", name, 1 + 1e-9)
    assert not measure_parity(path).passes
    assert not measure_parity(path, ExecutionConfig(form="reference")).passes
    assert main(["parity", str(path)]) == 1
    assert "FAILS" in capsys.readouterr().out


def test_another_order_is_noticed(tmp_path):
    with np.load("tests/golden/gru_time.npz") as golden:
        arrays = {key: golden[key] for key in golden.files}
    arrays["order"] = arrays["order"].copy()
    arrays["order"][0, [0, 1]] = arrays["order"][0, [1, 0]]
    np.savez(tmp_path / "swapped.npz", **arrays)
    assert not measure_parity(tmp_path / "swapped.npz").order


@pytest.mark.parametrize("options", [[], ["--recurrence", "reference"], ["--segment", "3", "--micro-batch", "2"]])
def test_the_command_passes_on_all(capsys, options):
    assert main(["parity", *map(str, GOLDEN), "--tensors", *options]) == 0
    out = capsys.readouterr().out
    assert out.count("passes") == 9
    assert "gradient gru0.state_to_gates" in out


def test_what_is_no_golden_file_is_refused_by_name(tmp_path, capsys):
    cut = tmp_path / "cut.npz"
    shutil.copyfile(GOLDEN[0], cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    other = tmp_path / "other.npz"
    np.savez(other, something=np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("hello")
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, meta=np.array([{"cell": "gru"}], dtype=object))
    for path in (cut, other, text, pickled, tmp_path / "none.npz", tmp_path):
        with pytest.raises(GoldenFileError):
            measure_parity(path)
        assert main(["parity", str(path)]) == 2
        assert str(path) in capsys.readouterr().err


def test_the_form_that_is_asked_for_computes(monkeypatch):
    asked = []
    make = parity_module.make_gradient
    monkeypatch.setattr(parity_module, "make_gradient", lambda network, e: (asked.append(e), make(network, e))[1])
    for words in (["--recurrence", "reference"], ["--recurrence", "fused", "--segment", "4"]):
        assert main(["parity", str(GOLDEN[0]), *words]) == 0
    assert [(e.form, e.segment, e.precision) for e in asked] == [
        ("reference", None, "float64"),
        ("fused", 4, "float64"),
    ]


def test_largest_error():
    assert largest_error([1.0, 2.5], [1.0, 2.0]) == 0.25
    assert largest_error([0.5], [0.0]) == 0.5
    assert largest_error([1.0], [1.0, 2.0]) == float("inf")
    assert largest_error([float("nan")], [1.0]) == float("inf")
