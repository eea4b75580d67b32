"""Sounds whose products had operands rounded to bfloat16: true ones are not taken for another network's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from run_folders import copy, edit, write_sound
from training_runs import train_to_be_heard

import longsong
from longsong.audit import audit
from longsong.audit.evidence import Evidence
from longsong.audit.network import product_of
from longsong.audit.regenerate import allowed
from longsong.generated import generate_into
from longsong.generating import Generating


@pytest.fixture(scope="module")
def runs(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rounded") / "runs"
    run = train_to_be_heard(song, root / "short", "bfloat16")
    generate_into(longsong.load_run(run), how=Generating(), quiet=True)
    return root


def test_products_are_those_of_torch() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, (5, 300)), random.normal(0, 1, (300, 4))
    ties = np.ldexp([257.0, 259.0, -257.0, 256.5], 0)  # half way between two of them, to the even one
    a[0, :4] = ties
    rounded = [torch.from_numpy(x.astype(np.float32)).bfloat16().double() for x in (a, b)]
    assert np.array_equal(product_of("bfloat16")(a, np.eye(300)), rounded[0].numpy())
    assert product_of("bfloat16")(a, b) == pytest.approx((rounded[0] @ rounded[1]).numpy(), rel=1e-12)
    assert np.array_equal(product_of("float32")(a, b), a @ b)
    # 10 bits behind the leading one: 2^10 + 1 fits, of what is half way between two the even one is taken.
    numbers = np.array([[1025.0, 1024.5, 1025.5, -1025.5, 1024.75, 0.0]])
    assert product_of("tf32")(numbers, np.eye(6)).tolist() == [[1025.0, 1024.0, 1026.0, -1026.0, 1025.0, 0.0]]
    assert product_of("tf32")(a, b) == pytest.approx(a @ b, rel=1e-1, abs=2e-2)


def test_a_true_one_is_its_network_s(runs: Path) -> None:
    evidence = Evidence.load(runs)
    found = evidence.regenerated(evidence.runs[0])
    assert (found.join, found.feedback) == ("last-frame", "plain")
    assert found.largest > allowed(1.0)  # or nothing would be shown
    rows = audit(runs)
    assert {rows.row(claim).verdict for claim in ("P12", "P14")} == {"reproduced"}
    assert "trained network" in rows.row("D02").text


def test_as_float32_it_would_not_be(runs: Path, tmp_path: Path) -> None:
    root = copy(runs, tmp_path / "runs")
    edit(root / "short" / "generated.json", precision="float32")
    assert audit(root).row("P14").verdict == "differs"


def test_one_that_is_altered_is_told(runs: Path, tmp_path: Path) -> None:
    root = copy(runs, tmp_path / "runs")
    wav = Evidence.load(root).runs[0].wav.data.copy()
    wav[len(wav) // 2 :] = wav[: len(wav) - len(wav) // 2]
    write_sound(root / "short", wav, precision="bfloat16")
    assert audit(root).row("P12").verdict == "differs"
