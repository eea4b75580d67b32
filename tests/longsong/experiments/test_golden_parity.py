"""``parity.json`` beside the runs: made from the golden files of the checkout, and not again while it holds."""

from __future__ import annotations

import shutil

import pytest
from run_folders import read

from longsong.audit.parity import load_parity
from longsong.experiments import golden_parity
from longsong.experiments.golden_parity import golden_files, write_golden_parity
from longsong.experiments.parity import GoldenFileError
from longsong.progress import listened_to


def test_the_golden_files_of_the_checkout_are_found():
    assert {"gru_time.npz", "lstm_batch.npz", "rnn_time.npz"} <= {path.name for path in golden_files()}


def test_it_is_written_beside_the_runs_and_read_by_the_audit(tmp_path, monkeypatch):
    files = [path for path in golden_files() if path.stem == "rnn_time"]
    assert write_golden_parity(tmp_path, files=files, command=["longsong", "reproduce"]) == tmp_path / "parity.json"
    found = load_parity(tmp_path)
    assert [(one.name, one.golden) for one in found.files] == [("rnn_time.npz", "as compared")]
    assert found.passes
    assert read(tmp_path / "parity.json")["made_by"]["command"] == ["longsong", "reproduce"]

    measured = []
    monkeypatch.setattr(golden_parity, "measure_all", lambda *_, **__: pytest.fail("measured again"))
    before = (tmp_path / "parity.json").stat().st_mtime_ns
    write_golden_parity(tmp_path, files=files)
    assert (tmp_path / "parity.json").stat().st_mtime_ns == before
    # Of another version, of other files, or cut short: it is made again.
    monkeypatch.setattr(golden_parity, "measure_all", lambda paths, _, quiet: measured.extend(paths))
    monkeypatch.setattr(golden_parity, "write_parity", lambda *_: None)
    other = shutil.copyfile(files[0], tmp_path / "other.npz")
    write_golden_parity(tmp_path, files=[*files, other])
    monkeypatch.setattr(golden_parity, "__version__", "0.0")
    write_golden_parity(tmp_path, files=files)
    monkeypatch.undo()
    assert measured == [*files, other, *files]


def test_how_far_it_is_can_be_heard(tmp_path):
    files = [path for path in golden_files() if path.stem.startswith("rnn")]
    heard = []
    with listened_to(lambda shown: heard.append((shown.label, shown.done, shown.total))):
        write_golden_parity(tmp_path, files=files, quiet=True)
    assert heard == [("comparing with the original stack", n, len(files)) for n in range(len(files) + 1)]


def test_without_golden_files_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(golden_parity, "golden_files", list)
    assert write_golden_parity(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_cut_short_is_named(tmp_path):
    cut = tmp_path / "cut.npz"
    cut.write_bytes(golden_files()[0].read_bytes()[:99])
    with pytest.raises(GoldenFileError, match=str(cut)):
        write_golden_parity(tmp_path, files=[cut])
    assert not (tmp_path / "parity.json").exists()
