"""The kernels compile for a device that is not here, and fit on it."""

from __future__ import annotations

import json

import pytest

from benchmarks import compiled


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


def test_each_kernel_fits_on_a_multiprocessor(monkeypatch, tmp_path, capsys):
    rows = compiled.compiled_rows
    monkeypatch.setattr(compiled, "compiled_rows", lambda hidden: rows(hidden, ["gru"]))
    monkeypatch.setattr("sys.argv", ["compiled", "--hidden", "199", "--json", str(tmp_path / "found.json")])
    compiled.main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [(row["way"], row.get("operands")) for row in found["rows"]] == [
        ("there", "bfloat16"), ("back", "bfloat16"), ("there", "float32"), ("back", "float32"),
        ("prepare", None), ("decide", None), ("apply", None),
    ]  # fmt: skip
    assert all(0 < ratio <= 1 for ratio in found["ratios"].values())
    # A few registers more than there are do little harm, many would.
    assert all(row["spilled"] <= 128 for row in found["rows"])
    # Of three matrices of 256 x 256 the one that fits stays on the chip, as bfloat16.
    assert [row["kept"] for row in found["rows"][:4]] == [128 << 10, 128 << 10, 0, 0]
    assert "128 KiB" in capsys.readouterr().out
