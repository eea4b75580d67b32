"""Generations on the disk: as they come, several at once, stopped in the middle, into a pipe."""

from __future__ import annotations

import io
import json
import wave
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig, cli_generate
from longsong.audio import read_mono, write_wav
from longsong.cli import main
from longsong.errors import ConfigError, NotFiniteError
from longsong.generated import generate_each, generate_into, stream_out
from longsong.generating import Generating, Sounds
from longsong.generation.as_coded import SWITCHES

FRAME, SEQ = 20, 5
SECOND = Generating(1.0)


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    config = RunConfig(
        shards,
        DataConfig(FRAME, SEQ),
        ModelConfig(hidden=8, init_width=0.5),
        TrainingConfig(epochs=1),
        ExecutionConfig(device="cpu", threads=1, precision="float64"),
        tmp_path_factory.mktemp("runs") / "run",
    )
    return longsong.load_run(longsong.train(config, quiet=True))


def record_of(wav: Path) -> dict:
    return json.loads(wav.with_suffix(".json").read_text())


def test_several_side_by_side_are_what_each_is_alone(run, tmp_path):
    seeds = run.song_seeds([3, 0, 7])
    written = generate_each(run, tmp_path / "out", seeds, how=SECOND, quiet=True)
    assert [wav.name for wav, _ in written] == [f"generated-example-{n}.wav" for n in (3, 0, 7)]
    for (wav, generated), seed in zip(written, seeds, strict=True):
        alone = run.generate(1.0, seed=seed)
        # Rows of other numbers of rows are summed in another order.
        assert np.abs(generated.samples.astype(int) - alone.samples).max() <= 1
        np.testing.assert_array_equal(read_mono(wav), generated.samples)
        assert record_of(wav)["seed"] == seed.origin
        assert record_of(wav)["side_by_side"] == 3


def test_seeds_are_spread_over_the_dev_split(run):
    examples = [seed.origin["example"] for seed in run.song_seeds(spread=5)]
    assert examples == [0, 5, 10, 15, 20]
    assert {seed.origin["source"] for seed in run.song_seeds(spread=5)} == {"dev"}
    with pytest.raises(ConfigError, match="seed-spread is 26, and the dev split has 25 examples"):
        run.song_seeds(spread=26)


def test_what_is_given_twice_or_is_no_folder_is_refused(run, tmp_path):
    with pytest.raises(ConfigError, match="twice"):
        generate_each(run, tmp_path, run.song_seeds([1, 1]), how=SECOND, quiet=True)
    with pytest.raises(ConfigError, match="give a folder"):
        generate_each(run, tmp_path / "a.wav", run.song_seeds([1, 2]), how=SECOND, quiet=True)
    assert not list(tmp_path.iterdir())


def test_stopped_in_the_middle_what_there_was_is_a_whole_file(run, tmp_path, monkeypatch):
    pieces = Sounds.__iter__

    def interrupted(self):
        yield from islice(pieces(self), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Sounds, "__iter__", interrupted)
    wav = tmp_path / "a.wav"
    with pytest.raises(KeyboardInterrupt, match=r"a\.wav: the first 0\.16 s"):
        generate_into(run, wav, how=SECOND, quiet=True)
    monkeypatch.undo()
    whole = run.generate(1.0)
    np.testing.assert_array_equal(read_mono(wav), whole.samples[: 2 * 64 * FRAME])
    made = record_of(wav)
    assert (made["stopped"], made["samples"], made["seconds"]) == (True, 2560, 0.16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.wav"]
    generate_into(run, wav, how=SECOND, quiet=True)
    assert record_of(wav)["stopped"] is False


def test_what_is_not_finite_leaves_nothing_but_what_was_there(run, tmp_path, monkeypatch):
    wav, _ = generate_into(run, tmp_path / "a.wav", how=SECOND, quiet=True)
    before, last = wav.read_bytes(), run.parameters[-1].item()
    run.parameters[-1] = float("nan")
    try:
        with pytest.raises(NotFiniteError, match=r"from second 0\.\d+ on"):
            generate_into(run, wav, how=SECOND, quiet=True)
    finally:
        run.parameters[-1] = last
    assert wav.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.wav"]


@pytest.mark.parametrize("how", [SECOND, Generating(1.0, "carry"), Generating(1.0, join="crossfade")])
def test_a_pipe_gets_what_a_file_does(run, tmp_path, how):
    wav, generated = generate_into(run, tmp_path / "a.wav", how=how, quiet=True)
    whole, samples = io.BytesIO(), io.BytesIO()
    stream_out(run, whole, how=how)
    stream_out(run, samples, how=how, format="raw")
    assert whole.getvalue() == wav.read_bytes()
    assert samples.getvalue() == generated.samples.astype("<i2").tobytes()
    with wave.open(io.BytesIO(whole.getvalue())) as file:
        assert file.getnframes() == 16_000


def test_a_crossfade_is_as_long_and_not_the_same(run):
    post, soft = run.generate(1.0), run.generate(1.0, join="crossfade")
    assert len(post.samples) == len(soft.samples) == 16_000
    assert soft.record["join"] == "crossfade"
    assert not np.array_equal(post.samples, soft.samples)
    assert np.array_equal(post.samples[:FRAME], soft.samples[:FRAME])  # there is nothing yet to go on


def test_the_command_writes_one_several_or_to_standard_output(run, tmp_path, capfdbinary):
    words = ["generate", str(run.folder), "--seconds", "0.5"]
    assert main([*words, "--output", "-"]) == 0
    heard = capfdbinary.readouterr().out
    assert heard[:4] == b"RIFF"
    assert len(heard) == 44 + 16_000
    assert main([*words, "--output", "-", "--format", "raw"]) == 0
    assert capfdbinary.readouterr().out == heard[44:]
    assert main([*words, "--seed-example", "2", "--count", "3", "--output", str(tmp_path / "many")]) == 0
    names = capfdbinary.readouterr().out.decode().split()
    assert [Path(name).name for name in names] == [f"generated-example-{n}.wav" for n in (2, 3, 4)]
    assert main([*words, "--seed-spread", "2", "--mode", "carry", "--output", str(tmp_path / "many")]) == 0
    names = capfdbinary.readouterr().out.decode().split()
    assert [Path(name).name for name in names] == [f"generated-carry-example-{n}.wav" for n in (0, 12)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--output", "-", "--seed-spread", "2"], "several sounds are asked for"),
        (["--format", "raw"], "format is raw"),
        (["--count", "0"], "count must be a whole number of 1 or more, not 0"),
        (["--count", "2", "--seed-spread", "2"], "leave out --seed-spread"),
        (["--count", "2", "--seed-example", "1", "2"], "2 examples are given"),
        (["--seed-example", "99"], "seed-example is 99, and the dev split has 25 examples"),
        (["--count", "99"], "seed-example is 98, and the dev split has 25 examples"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run, capsys, options, named):
    assert main(["generate", str(run.folder), "--seconds", "0.1", *options]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


def test_switches_and_help_name_the_same_ways():
    assert cli_generate.SWITCHES == SWITCHES


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_way_of_2016_does_one_thing_and_says_so(run, tmp_path, monkeypatch, switch):
    monkeypatch.setattr(cli_generate, "TRAIN_SEED", 40)  # the song of the tests has fewer examples than 400
    wav = tmp_path / f"{switch}.wav"
    assert main(["generate", str(run.folder), "--seconds", "0.1", "--as-coded", switch, "--output", str(wav)]) == 0
    made, sound, post = record_of(wav), read_mono(wav), run.generate(0.1).samples
    assert made["as_coded"] == [switch]
    assert len(sound) == made["samples"] == len(post) * (SEQ if switch == "whole-sequences" else 1)
    assert made["stretched"] == (switch == "stretch")
    assert made["seed"]["source"] == ("train" if switch == "train-seed" else "dev")
    assert made["iterations"] == 80 + (SEQ if switch == "drop-seq" else 0)
    if switch == "stretch":
        assert (sound.min(), sound.max()) == (-3000, 3000)
        correlation = np.corrcoef(sound, post)[0, 1]
        assert correlation > 0.999
    elif switch == "drop-seq":
        whole = run.generate(0.1 + SEQ * FRAME / 16_000).samples
        assert np.abs(sound.astype(int) - whole[SEQ * FRAME :]).max() <= 1
    elif switch == "whole-sequences":
        lasts = sound.reshape(80, SEQ, FRAME)[:, -1].reshape(-1)
        assert np.abs(lasts.astype(int) - post).max() <= 1
    else:
        assert not np.array_equal(sound, post)


def test_as_coded_is_of_the_posts_way_alone(run, capsys):
    for others in (["--mode", "carry"], ["--join", "crossfade"], ["--clip"], ["--seed-spread", "2"]):
        assert main(["generate", str(run.folder), "--seconds", "0.1", "--as-coded", "stretch", *others]) == 2
        assert "as-coded is" in capsys.readouterr().err


def test_guard_rails_are_named_in_the_record(run, tmp_path):
    how = Generating(0.2, clip=True, hold_level=True)
    wav, generated = generate_into(run, tmp_path / "a.wav", how=how, quiet=True)
    assert record_of(wav)["guards"] == ["clip", "hold-level"]
    song = run.record.song
    assert song["minimum"] <= generated.samples.min() <= generated.samples.max() <= song["maximum"]
    assert run.generate(0.2).record["guards"] == []


@pytest.mark.parametrize("mode", ["post", "carry"])
def test_all_of_an_audio_file_conditions(run, tmp_path, mode):
    samples = run.generate(0.1).samples[: 37 * FRAME + 3]
    write_wav(tmp_path / "long.wav", samples)
    seed = run.wav_seed(tmp_path / "long.wav", whole=True)
    assert seed.frames.shape == (37, FRAME)
    assert (seed.origin["start"], seed.origin["stop"]) == (3, len(samples))
    wav = tmp_path / "out.wav"
    words = ["--condition", str(tmp_path / "long.wav"), "--mode", mode, "--output", str(wav)]
    assert main(["generate", str(run.folder), "--seconds", "0.1", *words]) == 0
    np.testing.assert_array_equal(read_mono(wav), run.generate(0.1, seed=seed, mode=mode).samples)
    assert record_of(wav)["seq"] == 37


def test_room_is_asked_for_the_true_length(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("longsong.generated.require_space", lambda path, needed: asked.append(needed))
    generate_into(run, tmp_path / "a.wav", how=Generating(0.1, as_coded=("whole-sequences",)), quiet=True)
    assert asked == [2 * 1600 * SEQ]
