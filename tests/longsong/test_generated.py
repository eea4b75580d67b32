"""Generations on the disk: as they come, several at once, stopped in the middle, and what is said of them."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from training_runs import train_to_be_heard

import longsong
from longsong import cli_generate
from longsong.audio import read_mono, write_wav
from longsong.cli import main
from longsong.config import Switch
from longsong.errors import ConfigError, NotFiniteError
from longsong.files import sha256_of, write_json
from longsong.generated import generate_each, generate_into
from longsong.generating import Generating, Sounds
from longsong.generation import generate_post
from longsong.generation.as_coded import UpsideDown
from longsong.generation.guards import hold_level
from longsong.heard import Heard
from longsong.judging import Judge
from longsong.playing import stream_out

FRAME, SEQ = 20, 5
SECOND = Generating(1.0)


@pytest.fixture(scope="module")
def run(shards, tmp_path_factory):
    return longsong.load_run(train_to_be_heard(shards, tmp_path_factory.mktemp("runs") / "run"))


def record_of(wav: Path) -> dict:
    return json.loads(wav.with_suffix(".json").read_text())


def test_several_side_by_side_are_what_each_is_alone(run, tmp_path):
    seeds = run.song_seeds([3, 0, 7])
    written = generate_each(run, tmp_path / "out", seeds, how=SECOND, quiet=True)
    assert [wav.name for wav, _ in written] == [f"generated-1s-example-{n}.wav" for n in (3, 0, 7)]
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
    assert [Path(name).name for name in names] == [f"generated-0.5s-example-{n}.wav" for n in (2, 3, 4)]
    assert main([*words, "--seed-spread", "2", "--mode", "carry", "--output", str(tmp_path / "many")]) == 0
    names = capfdbinary.readouterr().out.decode().split()
    assert [Path(name).name for name in names] == [f"generated-carry-0.5s-example-{n}.wav" for n in (0, 12)]


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
    assert get_args(Switch) == cli_generate.SWITCHES


@pytest.mark.parametrize("switch", get_args(Switch))
def test_each_way_of_2016_does_one_thing_and_says_so(run, tmp_path, monkeypatch, switch):
    monkeypatch.setattr("longsong.runs.TRAIN_SEED", 40)  # the song of the tests has fewer examples than 400
    wav = tmp_path / f"{switch}.wav"
    assert main(["generate", str(run.folder), "--seconds", "0.1", "--as-coded", switch, "--output", str(wav)]) == 0
    made, sound, post = record_of(wav), read_mono(wav), run.generate(0.1).samples
    assert made["as_coded"] == [switch]
    assert len(sound) == made["samples"] == len(post) * (SEQ if switch == "whole-sequences" else 1)
    assert made["stretched"] == (switch == "stretch")
    begun = ("train", 40) if switch == "train-seed" else ("dev", 0)
    assert (made["seed"]["source"], made["seed"]["example"]) == begun
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


def altered(run, tmp_path, change):
    """Give a copy of a run, with other parameters and figures of its own."""
    copy = shutil.copytree(run.folder, tmp_path / "runs" / "run")
    loaded = longsong.load_run(copy, shards=run.record.song["shards"])
    change(loaded.network.named(loaded.parameters))
    return loaded


def level_of(value: float):
    """Give a change by which a network predicts one number, whatever it is fed."""

    def change(named):
        named["hidden_to_output.W"].zero_()
        named["hidden_to_output.b"].fill_(value)

    return change


@pytest.mark.parametrize(
    ("value", "said"), [(1e9, "from second 0.00 on, were clipped"), (-0.9, "constant"), (0.0, "constant")]
)
def test_a_sound_that_is_none_is_reported_by_file_pipe_and_command(run, tmp_path, value, said):
    dead = altered(run, tmp_path, level_of(value))
    wav, generated = generate_into(dead, tmp_path / "a.wav", how=SECOND, quiet=True)
    assert any(said in note for note in generated.record["notes"])
    assert record_of(wav)["notes"] == generated.record["notes"] == stream_out(dead, io.BytesIO(), how=SECOND)
    assert record_of(wav)["sound"]["collapse"]["second"] == 0


def test_a_ripple_that_nobody_hears_is_no_sound(run, tmp_path, monkeypatch, capfdbinary):
    """Its level is that of a sound, and it is under -60 dBFS from beginning to end."""
    pieces = Sounds.__iter__

    def rippling(self):
        for piece in pieces(self):
            piece[:] = np.where(np.arange(piece.size) % 2, 5, -5)
            yield piece

    monkeypatch.setattr(Sounds, "__iter__", rippling)
    for output in (str(tmp_path / "a.wav"), "-"):
        assert main(["generate", str(run.folder), "--seconds", "1", "--output", output]) == 0
        assert b"All of it is silent." in capfdbinary.readouterr().err
    assert record_of(tmp_path / "a.wav")["notes"] == ["All of it is silent."]


def test_of_a_long_sound_a_minute_is_judged_and_all_of_it_looked_at(run, tmp_path):
    heard = Heard(16_000)
    noise = np.random.default_rng(1).integers(-9000, 9000, 61 * 16_000).astype(np.int16)
    for piece in np.split(noise, 61):
        heard.add(piece)
    heard.add(np.zeros(32_000, np.int16))
    assert len(heard.samples) == 60 * 16_000
    figures = heard.figures(Judge(run, quiet=True))
    assert figures["seconds"] == 60
    assert figures["collapse"] == {"second": 61.0, "kind": "silent"}


def test_however_it_comes_it_collapses_at_the_same_second(run):
    noise = np.random.default_rng(1).integers(-9000, 9000, 7_777)
    sound = np.concatenate([noise, np.full(9_000, 3000)]).astype(np.int16)
    one, many = Heard(16_000), Heard(16_000)
    one.add(sound)
    for piece in np.array_split(sound, 101):
        many.add(piece)
    found = [heard.figures(Judge(run, quiet=True))["collapse"] for heard in (one, many)]
    assert found == [{"second": 0.49, "kind": "constant"}] * 2


def test_a_second_interrupt_loses_no_sound(run, tmp_path, monkeypatch):
    """While it is judged, sound and record are whole already."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Judge, "figures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_each(run, tmp_path / "many", run.song_seeds([1, 2]), how=SECOND, quiet=True)
    for number in (1, 2):
        wav = tmp_path / "many" / f"generated-1s-example-{number}.wav"
        made = record_of(wav)
        assert made["sha256"] == sha256_of(wav)
        assert "sound" not in made


def test_a_stopped_sound_does_not_take_the_place_of_a_whole_one(run, tmp_path, monkeypatch):
    wav, _ = generate_into(run, tmp_path / "a.wav", how=SECOND, quiet=True)
    before, pieces = wav.read_bytes(), Sounds.__iter__

    def interrupted(self):
        yield next(pieces(self))
        raise KeyboardInterrupt

    monkeypatch.setattr(Sounds, "__iter__", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"a-stopped\.wav: the first 0\.08 s"):
        generate_into(run, wav, how=SECOND, quiet=True)
    assert wav.read_bytes() == before
    made = record_of(tmp_path / "a-stopped.wav")
    assert (made["stopped"], made["samples"], made["iterations"]) == (True, 64 * FRAME, 64)


def test_nothing_is_written_over_that_was_not_generated(run, tmp_path, capsys):
    own = tmp_path / "own.wav"
    write_wav(own, np.arange(8_000, dtype=np.int16))
    before = own.read_bytes()
    words = ["generate", str(run.folder), "--seconds", "0.1", "--output", str(own)]
    assert main([*words, "--condition", str(own)]) == 2
    assert "the file to begin with" in capsys.readouterr().err
    assert main(words) == 2
    assert "is there and is none that was generated" in capsys.readouterr().err
    assert own.read_bytes() == before


def test_names_say_what_differs_from_the_posts_thirty_seconds(run, tmp_path):
    copy = longsong.load_run(shutil.copytree(run.folder, tmp_path / "runs" / "run"), shards=run.record.song["shards"])
    names = {
        generate_into(copy, seed=copy.song_seed(3), how=Generating(0.1), quiet=True)[0].name,
        generate_into(copy, how=Generating(0.1, hold_level=True), quiet=True)[0].name,
    }
    assert names == {"generated-0.1s-example-3.wav", "generated-hold-level-0.1s.wav"}
    sounds = json.loads((copy.folder / "summary.json").read_text())["sounds"]
    assert {"generated-0.1s-example-3", "generated-hold-level-0.1s"} <= set(sounds)


def test_a_sound_elsewhere_is_told_to_the_run_by_its_path(run, tmp_path):
    copy = longsong.load_run(shutil.copytree(run.folder, tmp_path / "runs" / "run"), shards=run.record.song["shards"])
    wav, generated = generate_into(copy, tmp_path / "a.wav", how=Generating(0.1), quiet=True)
    sounds = json.loads((copy.folder / "summary.json").read_text())["sounds"]
    assert sounds[str(wav.resolve())] == json.loads(json.dumps(generated.record["sound"]))
    assert generated.record["sound"]["copying"] is not None  # judged by the shards that were named


def test_a_single_sample(run, tmp_path):
    copy = longsong.load_run(shutil.copytree(run.folder, tmp_path / "runs" / "run"), shards=run.record.song["shards"])
    wav, _ = generate_into(copy, how=Generating(1 / 16_000), quiet=True)
    assert len(read_mono(wav)) == 1


@pytest.mark.parametrize("others", [["--seed-example", "5"], ["--count", "3"], ["--seed-spread", "2"]])
def test_the_seed_of_2016_is_the_only_one(run, capsys, others):
    words = ["generate", str(run.folder), "--seconds", "0.1", "--as-coded", "train-seed"]
    assert main([*words, *others]) == 2
    assert f"leave out {others[0]}" in capsys.readouterr().err
    assert main(words) == 2
    assert "example 400 of the train split, which has" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="another seed is given"):
        run.generate_many([run.song_seed()], Generating(0.1, as_coded=("train-seed",)))


def test_ways_of_2016_together(run, monkeypatch):
    """Each does in company what it does alone, on predictions that are iterated here by hand."""
    named, seed = run.network.named(run.parameters), torch.from_numpy(run.song_seed().frames).double()
    song = run.record.song

    def sequences(predict, change=None):
        sequence, found = seed, []
        for _ in range(6 + SEQ):
            predicted = predict(sequence)
            found.append(predicted)
            sequence = predicted if change is None else change(predicted)
        return found

    def heard(switches):
        how = Generating(6 * FRAME / 16_000, as_coded=switches)
        return run.generate_many([run.song_seed()], how)[0].samples.astype(float)

    def samples(frames):
        return np.clip(np.rint((torch.cat(frames).view(-1).numpy() - song["offset"]) / song["scale"]), -32768, 32767)

    new = run.network.named(run.network.initial_parameters(run.record.training.seed).double())

    def untrained(sequence):
        return run.network.decode(new, run.network.encode(new, sequence))

    def trained(sequence):
        return run.network.predict(named, sequence[None])[0]

    cases = {
        ("untrained", "whole-sequences"): sequences(untrained)[:6],
        ("upside-down", "drop-seq"): [one[-1:] for one in sequences(trained, UpsideDown())[SEQ:]],
        ("untrained",): [one[-1:] for one in sequences(untrained)[:6]],
        ("upside-down", "whole-sequences", "drop-seq"): sequences(trained, UpsideDown())[SEQ:],
    }
    for switches, expected in cases.items():
        assert np.abs(heard(switches) - samples(expected)).max() <= 1, switches


def test_precision_and_parameters_are_what_is_asked_for(run, tmp_path):
    words = ["generate", str(run.folder), "--seconds", "0.1", "--output", str(tmp_path / "a.wav")]
    assert main([*words, "--precision", "bfloat16", "--parameters", "last"]) == 0
    made = record_of(tmp_path / "a.wav")
    assert (made["precision"], made["parameters"]) == ("bfloat16", "last")
    rounded = longsong.load_run(run.folder, precision="bfloat16").generate(0.1).samples
    assert not np.array_equal(rounded, longsong.load_run(run.folder, precision="float32").generate(0.1).samples)


def test_the_level_is_held_about_the_songs_zero(run, tmp_path):
    """What a sample of 0 is, normalised, is another number than 0."""
    copy = shutil.copytree(run.folder, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    config["song"]["offset"] = 0.25
    write_json(copy / "config.json", config, sealed=True)
    shifted, seed = longsong.load_run(copy), run.song_seed()
    guard = hold_level(torch.from_numpy(seed.frames[None]).double(), 0.25)
    seeds = torch.from_numpy(seed.frames[None]).double()
    frames = torch.cat(list(generate_post(run.network, run.parameters, seeds, 160, guard=guard)))
    expected = np.rint((frames.view(-1).numpy() - 0.25) / run.record.song["scale"])
    found = shifted.generate_many([seed], Generating(0.2, hold_level=True))[0].samples
    assert np.abs(found - np.clip(expected, -32768, 32767)).max() <= 1


@pytest.mark.parametrize("frames", [1, 3])
def test_with_carried_state_a_seed_may_be_shorter_than_a_sequence(run, tmp_path, capsys, frames):
    write_wav(tmp_path / "short.wav", run.generate(0.1).samples[: frames * FRAME + 1])
    words = ["generate", str(run.folder), "--seconds", "0.1", "--condition", str(tmp_path / "short.wav")]
    assert main([*words, "--mode", "carry", "--output", str(tmp_path / "a.wav")]) == 0
    assert record_of(tmp_path / "a.wav")["seq"] == frames
    assert main([*words, "--output", str(tmp_path / "b.wav")]) == 2
    assert "give a longer file" in capsys.readouterr().err


def test_asked_to_end_it_ends_as_by_ctrl_c(run, tmp_path, monkeypatch, capsys):
    pieces = Sounds.__iter__

    def ending(self):
        yield next(pieces(self))
        os.kill(os.getpid(), signal.SIGTERM)
        yield from pieces(self)

    monkeypatch.setattr(Sounds, "__iter__", ending)
    wav, before = tmp_path / "a.wav", signal.getsignal(signal.SIGTERM)
    assert main(["generate", str(run.folder), "--seconds", "1", "--output", str(wav)]) == 130
    assert "stopped" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.wav"]
    assert record_of(wav)["stopped"] is True
    assert signal.getsignal(signal.SIGTERM) is before
