"""``parity.json``: written by `longsong parity --json`, read by the audit, with the golden files looked at again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import dump, read

from longsong.audit import audit, format_audit
from longsong.audit.parity import KINDS, load_parity, read_parity
from longsong.cli import main
from longsong.errors import RunError
from longsong.files import sha256_of

GOLDEN = sorted(Path("tests/golden").glob("*.npz"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two golden files, copied and compared."""
    folder = tmp_path_factory.mktemp("parity")
    for name in ("gru_time_clip.npz", "lstm_time.npz"):
        shutil.copyfile(f"tests/golden/{name}", folder / name)
    files = [str(path) for path in sorted(folder.glob("*.npz"))]
    assert main(["parity", *files, "--recurrence", "reference", "--json", str(folder / "parity.json")]) == 0
    return folder / "parity.json"


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    shutil.copyfile(written, tmp_path / "parity.json")
    return tmp_path / "parity.json"


def test_every_kind_of_error_of_every_file(written: Path) -> None:
    found = read_parity(written)
    assert [file.name for file in found.files] == ["gru_time_clip.npz", "lstm_time.npz"]
    assert [file.cell for file in found.files] == ["gru", "lstm"]
    assert found.passes
    for file in found.files:
        assert file.sha256 == sha256_of(Path("tests/golden") / file.name)
        assert file.golden == "as compared"
        assert tuple(file.errors) == KINDS
        assert all(error is not None and error < 1e-10 for error in file.errors.values())
    largest = found.largest()
    assert largest["gradient"] == max(file.errors["gradient"] for file in found.files)
    # The largest of a kind is that over all of its tensors.
    tensors = read(written)["files"][0]["tensors"]
    finals = [error for name, error in tensors.items() if name.startswith("final ")]
    assert len(finals) > 10
    assert found.files[0].errors["final"] == max(finals)


def test_golden_files_that_were_altered_or_are_gone_are_named(written: Path, tmp_path: Path) -> None:
    held = read(written)
    for entry in held["files"]:
        entry["path"] = entry["name"]
    dump(tmp_path / "parity.json", held)
    assert {file.golden for file in read_parity(tmp_path / "parity.json").files} == {"not here"}
    for entry in held["files"]:
        shutil.copyfile(f"tests/golden/{entry['name']}", tmp_path / entry["name"])
    with (tmp_path / "lstm_time.npz").open("ab") as file:
        file.write(b"\0")
    found = read_parity(tmp_path / "parity.json")
    assert [file.golden for file in found.files] == ["as compared", "altered since"]


def test_the_audit_has_the_table(written: Path, runs: Path) -> None:
    assert audit(runs).parity is None
    shutil.copyfile(written, runs / "parity.json")
    found = audit(runs)
    assert found.parity is not None
    assert [file["name"] for file in found.parity["files"]] == ["gru_time_clip.npz", "lstm_time.npz"]
    assert found.to_json()["parity"]["sha256"] == sha256_of(runs / "parity.json")
    assert found.parity["largest"].keys() == set(KINDS)


def test_none_is_none(tmp_path: Path) -> None:
    assert load_parity(tmp_path) is None


def larger(held: dict, kind: str, error: float | None) -> None:
    names = [name for name in held["files"][0]["tensors"] if name.startswith(kind)]
    held["files"][0]["tensors"][names[0]] = error


@pytest.mark.parametrize("error", [1e-9, None])
def test_an_error_that_is_too_large_fails_whatever_the_file_says(copied: Path, error: float | None) -> None:
    held = read(copied)
    larger(held, "gradient", error)
    dump(copied, held)
    with pytest.raises(RunError, match="its own numbers say"):
        read_parity(copied)
    held["files"][0]["passes"] = False
    dump(copied, held)
    assert not read_parity(copied).passes
    assert read_parity(copied).files[0].errors["gradient"] == error


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held.update(version=2),
        lambda held: held.pop("tolerances"),
        lambda held: held.update(files=[]),
        lambda held: held.update(files=3),
        lambda held: held["files"][0].pop("sha256"),
        lambda held: held["files"][0].update(tensors={"prediction": 0.0}),
        lambda held: held["files"][0].update(tensors={**held["files"][0]["tensors"], "cost": "none"}),
    ],
)
def test_a_file_that_is_none_is_named_and_stops_no_audit(
    change: Callable[[dict], object], copied: Path, runs: Path
) -> None:
    held = read(copied)
    change(held)
    dump(runs / "parity.json", held)
    with pytest.raises(RunError, match=r"parity\.json"):
        read_parity(runs / "parity.json")
    found = audit(runs)
    assert found.parity is None
    assert "Not read:" in format_audit(found)


def test_numbers_that_are_not_finite_are_written_as_none(tmp_path: Path) -> None:
    from longsong.experiments.parity import Parity, write_parity

    result = Parity(
        "x.npz", Path("x.npz"), "0" * 64, "gru", "time", "reference",
        {"prediction": float("inf"), "cost": 0.0, "gradient W": 0.0},
        {"train cost": 0.0, "step norm": 0.0, "dev cost": 0.0, "final W": 0.0}, True,
    )  # fmt: skip
    write_parity([result], tmp_path / "parity.json", ["longsong", "parity"])
    found = read_parity(tmp_path / "parity.json")
    assert found.files[0].errors["prediction"] is None
    assert found.largest()["prediction"] is None
    assert not found.passes
