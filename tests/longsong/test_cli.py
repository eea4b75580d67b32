"""The mistakes that users make: one clear line, exit status 2, nothing left behind."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small_song import tune, write_shards

from longsong import shard as shard_module
from longsong import space
from longsong.audio import write_wav
from longsong.cli import main
from longsong.units import human_bytes, parse_bytes


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(words: list[object], capsys: pytest.CaptureFixture[str], *named: str) -> None:
    """Run a command that must be refused with one line that names what is wrong."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    assert status == 2, said
    (line,) = said.err.splitlines()
    assert line.startswith("longsong")
    for name in named:
        assert name in line


@pytest.fixture
def song(tmp_path) -> Path:
    """A folder of shards that a test may damage."""
    return write_shards(tmp_path / "song", tune(31_600))


def make_bad_audio(folder: Path) -> dict[str, Path]:
    files = {name: folder / f"{name}.wav" for name in ("missing", "text", "empty", "silent", "cut", "nan", "infinite")}
    files["text"].write_text("this is no sound\n" * 40)
    files["empty"].touch()
    soundfile.write(files["silent"], np.zeros(0, np.int16), 16_000)
    soundfile.write(files["cut"], tune(16_000), 16_000)
    files["cut"].write_bytes(files["cut"].read_bytes()[:20_000])
    for name, value in (("nan", np.nan), ("infinite", -np.inf)):
        samples = np.zeros(8000, np.float32)
        samples[4000] = value
        soundfile.write(files[name], samples, 16_000, subtype="FLOAT")
    files["folder"] = folder
    return files


@pytest.mark.parametrize("name", ["missing", "text", "empty", "silent", "cut", "nan", "infinite", "folder"])
def test_bad_audio(tmp_path, capsys, name):
    bad = make_bad_audio(tmp_path)[name]
    good = tmp_path / "good.wav"
    write_wav(good, tune(4000))
    before = tree(tmp_path)
    refused(["shard", bad, "--out", tmp_path / "out"], capsys, str(bad))
    refused(["shard", good, bad, "--out", tmp_path / "out"], capsys, str(bad))
    refused(["reproduce", "--song", bad, "--shards", tmp_path / "out"], capsys, str(bad))
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "option",
    [
        ["--frame", 0],
        ["--seq", -3],
        ["--batch", 0],
        ["--hidden", 0],
        ["--frame", "x"],
        ["--learning-rate", "nan"],
        ["--segment", 0],
        ["--micro-batch", 0],
        ["--memory", "lots"],
        ["--memory", "0GiB"],
        ["--precision", "float16"],
        ["--recurrence", "batch"],
    ],
)
def test_numbers_that_cannot_be(shards, tmp_path, capsys, option):
    words = ["train", shards, "--frame", 20, "--seq", 5, "--out", tmp_path / "run", *option]
    refused(words, capsys, option[0].lstrip("-"), str(option[1]))
    assert tree(tmp_path) == {}


def test_memory_that_is_too_little_or_not_there(shards, tmp_path, capsys):
    words = ["train", shards, "--frame", 20, "--seq", 5, "--hidden", 4, "--out", tmp_path / "run", "--memory"]
    for memory in ("10", "100MiB"):
        refused([*words, memory], capsys, human_bytes(parse_bytes(memory)), "--memory", "MiB or more", "mini-batches")
    refused([*words, "900TiB"], capsys, "memory 900.0 TiB is more than the", "there are")
    assert tree(tmp_path) == {}


def test_what_only_the_fused_form_has(shards, tmp_path, capsys):
    words = ["train", shards, "--frame", 20, "--seq", 5, "--out", tmp_path / "run", "--recurrence", "reference"]
    refused([*words, "--precision", "bfloat16"], capsys, "bfloat16", "fused")
    refused([*words, "--segment", 2], capsys, "segment 2", "fused")
    refused(["parity", "x.npz", "--recurrence", "reference", "--segment", 2], capsys, "segment 2", "fused")
    assert tree(tmp_path) == {}


def test_tf32_is_refused_on_a_cpu_by_whoever_is_asked_for_it(shards, tmp_path, capsys):
    precision = ["--device", "cpu", "--precision", "tf32"]
    folders = ["--shards", tmp_path / "shards", "--out", tmp_path / "runs"]
    for words in (
        ["train", shards, "--frame", 20, "--seq", 5, *folders[2:]],
        ["plan", "--hours", 1],
        ["reproduce", *folders],
    ):
        refused([*words, *precision], capsys, "tf32 is of CUDA devices, not of cpu")
    assert tree(tmp_path) == {}


def test_a_run_says_what_it_takes_and_how_it_is_computed(shards, tmp_path, capsys):
    words = ["train", shards, "--frame", 20, "--seq", 5, "--hidden", 4, "--epochs", 1, "--device", "cpu"]
    for options, named in (
        (["--threads", 1, "--segment", 2, "--micro-batch", 50], "1 thread, float32, the fused form"),
        (["--precision", "bfloat16"], "bfloat16"),
        (["--recurrence", "reference"], "float32, the reference form"),
    ):
        run = tmp_path / named.partition(" ")[0]
        assert main([str(word) for word in [*words, *options, "--out", run]]) == 0
        said = capsys.readouterr().err.splitlines()
        assert re.fullmatch(r"this configuration: [\d.,]+ [MG]iB.*, about [\d.]+ m?s an update", said[0])
        assert named in said[1]
        assert said[1].endswith("the same seed gives the same bytes on this machine with as many threads")
        if "--segment" in options:
            assert "3 micro-batches, segments of 2 steps" in said[0]


def test_a_song_that_is_too_short(shards, tmp_path, capsys):
    refused(["train", shards, "--frame", 40000, "--seq", 50, "--out", tmp_path / "run"], capsys, "40000x50", "125 s")
    refused(
        ["train", shards, "--frame", 20, "--seq", 5, "--train-samples", 99999, "--out", tmp_path / "run"],
        capsys,
        "99,999",
    )
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    "damage", ["no folder", "no index", "cut index", "altered index", "no tar", "cut tar", "altered tar"]
)
def test_damaged_shards(song, tmp_path, capsys, damage):
    index, tar = song / "index.json", song / "song-000001.tar"
    content = bytearray(tar.read_bytes())
    content[len(content) // 3] ^= 1
    text = index.read_text()
    {
        "no folder": lambda: shutil.rmtree(song),
        "no index": index.unlink,
        "cut index": lambda: index.write_text(text[:-100]),
        "altered index": lambda: index.write_text(text.replace('"samples": 31600', '"samples": 31599', 1)),
        "no tar": tar.unlink,
        "cut tar": lambda: tar.write_bytes(content[:-600]),
        "altered tar": lambda: tar.write_bytes(content),
    }[damage]()
    named = tar.name if damage.endswith("tar") else str(song)
    run = tmp_path / "run"
    refused(["train", song, "--frame", 20, "--seq", 5, "--hidden", 4, "--out", run], capsys, named)
    assert not list(run.glob("summary.json"))


def test_a_newer_format(song, tmp_path, capsys):
    index = song / "index.json"
    index.write_text(index.read_text().replace('"version": 2', '"version": 3', 1))
    refused(["info", song], capsys, "version", "3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here")
def test_cuda_that_is_not_there(shards, tmp_path, capsys):
    refused(["train", shards, "--frame", 20, "--seq", 5, "--device", "cuda", "--out", tmp_path / "run"], capsys, "cuda")
    assert tree(tmp_path) == {}


def test_options_that_are_not_there(capsys):
    refused(["train", "x", "--frame", 20, "--seq", 5, "--device", "tpu"], capsys, "tpu", "--help")
    refused(["sing"], capsys, "sing")
    refused([], capsys, "COMMAND")
    refused(["reproduce", "--widths", "199,x"], capsys, "199,x")
    refused(["reproduce", "--only", "1000"], capsys, "1000")
    refused(["generate", "nowhere"], capsys, "nowhere")


def test_a_disk_that_will_be_too_small(shards, tmp_path, capsys, monkeypatch):
    source = tmp_path / "source.wav"
    write_wav(source, tune(16_000))
    before = tree(tmp_path)
    monkeypatch.setattr(space, "free_bytes", lambda path: 12_345)
    refused(["shard", source, "--out", tmp_path / "out"], capsys, "12,345")
    refused(["train", shards, "--frame", 20, "--seq", 5, "--out", tmp_path / "run"], capsys, "12,345")
    refused(["demo-song", "--seconds", 5, tmp_path / "demo.wav"], capsys, "12,345")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_fills_up_or_may_not_be_written(shards, tmp_path, capsys, monkeypatch, number):
    source = tmp_path / "source.wav"
    write_wav(source, tune(16_000))
    before = tree(tmp_path)

    def full(*_, **__):
        raise OSError(number, "no")

    monkeypatch.setattr("os.fsync", full)
    refused(["shard", source, "--out", tmp_path / "out"], capsys, "out")
    refused(["demo-song", "--seconds", 1, tmp_path / "demo.wav"], capsys, "demo.wav")
    run = tmp_path / "run"
    refused(["train", shards, "--frame", 20, "--seq", 5, "--hidden", 4, "--out", run], capsys, str(run))
    assert {path: content for path, content in tree(tmp_path).items() if not path.startswith(str(run))} == before
    assert [path.name for path in run.rglob("*") if path.is_file() and path.suffix in (".json", ".safetensors")] == []


def test_an_interrupt_leaves_no_shards(tmp_path, capsys, monkeypatch):
    source = tmp_path / "source.wav"
    write_wav(source, tune(40_000))

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(shard_module.ShardWriter, "write", interrupted)
    assert main(["shard", str(source), "--out", str(tmp_path / "out")]) == 130
    assert list(tmp_path.iterdir()) == [source]


def test_help_of_every_command(capsys):
    for command in (
        "reproduce", "shard", "demo-song", "info", "verify", "index", "train", "generate", "parity", "audit"
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        assert f"longsong {command}" in capsys.readouterr().out


def test_as_a_program(tmp_path):
    words = [sys.executable, "-m", "longsong", "info", str(tmp_path / "nowhere")]
    code = "import sys; sys.path[:0] = ['src', '.']; from longsong.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([words[0], "-c", code, *words[3:]], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
