"""A trained run, from its folder: predicting and generating (P12 to P15)."""

from __future__ import annotations

import json
import re
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_song import tune, write_shards

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.audio import read_mono, write_wav
from longsong.cli import main
from longsong.errors import AudioError, CheckpointError, ConfigError, DeviceError, LongsongError, RunError
from longsong.files import write_json
from longsong.generated import generate_into, is_generated
from longsong.generating import Generating
from longsong.generation import generate_carry, generate_post
from longsong.spectrogram import spectrogram_png
from streams import Song, Windows, train_samples

FRAME, SEQ = 20, 5


@pytest.fixture(scope="module")
def config(shards, tmp_path_factory) -> RunConfig:
    return RunConfig(
        shards,
        DataConfig(FRAME, SEQ),
        ModelConfig(hidden=8),
        TrainingConfig(epochs=2, learning_rate=0.05),
        ExecutionConfig(device="cpu", threads=1, precision="float64"),
        tmp_path_factory.mktemp("runs") / "run",
    )


@pytest.fixture(scope="module")
def run(config):
    return longsong.load_run(longsong.train(config, quiet=True))


def test_what_was_trained_in_tf32_is_loaded_in_float32_where_there_is_none(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    record = json.loads((folder / "config.json").read_text())
    record["execution"]["precision"] = "tf32"
    write_json(folder / "config.json", record, sealed=True)
    loaded = longsong.load_run(folder)
    assert (loaded.precision, loaded.parameters.dtype) == ("float32", torch.float32)
    with pytest.raises(ConfigError, match="tf32 is of CUDA devices"):
        longsong.load_run(folder, precision="tf32")


def dev_windows(shards: Path) -> Windows:
    song = Song.open(shards)
    return Windows(song, frame=FRAME, seq=SEQ, start=train_samples(len(song)))


def test_predict_is_the_network(run, shards):
    inputs, targets = dev_windows(shards).read(np.arange(3))
    predicted = run.predict(inputs)
    expected = run.network.predict(run.network.named(run.parameters), torch.from_numpy(inputs).double())
    np.testing.assert_array_equal(predicted, expected.numpy())
    assert np.mean((predicted - targets) ** 2) < np.mean(targets**2)
    for wrong in (inputs[0], inputs[:, :, :7], np.zeros((0, 5, FRAME))):
        with pytest.raises(ConfigError, match=r"shape \(batch, seq, 20\)"):
            run.predict(wrong)


@pytest.mark.parametrize(("mode", "function"), [("post", generate_post), ("carry", generate_carry)])
def test_generate_undoes_the_normalisation_of_what_the_network_gives(run, shards, mode, function):
    windows = dev_windows(shards)
    seed, _ = windows.read(np.array([4]))
    pieces = function(run.network, run.parameters, torch.from_numpy(seed.copy()).double(), 17)
    frames = torch.cat(list(pieces))
    scale, offset = windows.normaliser.scale, windows.normaliser.offset
    expected = np.clip(np.rint((frames.numpy().reshape(-1)[:333] - offset) / scale), -32768, 32767)
    generated = run.generate(333 / 16_000, seed=run.song_seed(4), mode=mode)
    np.testing.assert_array_equal(generated.samples, expected.astype(np.int16))
    record = generated.record
    assert (record["samples"], record["iterations"], record["mode"]) == (333, 17, mode)
    start = windows.first_sample(4)
    assert record["seed"] == {"source": "dev", "example": 4, "start": start, "stop": start + FRAME * SEQ, "file": None}


def test_the_seed_is_not_in_the_output_and_its_length_is_exact(run, shards):
    for seconds, samples in ((30, 480_000), (0.00123, 20), (1 / 16_000, 1)):
        generated = run.generate(seconds)
        assert len(generated.samples) == samples
        assert generated.samples.dtype == np.int16
    song = Song.open(shards)
    seed = run.song_seed().origin
    assert not np.array_equal(run.generate(1).samples[:FRAME], song[seed["start"] : seed["start"] + FRAME])


def test_the_seed_is_a_dev_example_or_a_train_example_where_there_is_none(run, shards, config, tmp_path):
    assert run.song_seed().origin["start"] >= train_samples(31_600)
    alone = replace(config, out=tmp_path / "alone", data=DataConfig(FRAME, SEQ, train_samples=31_580))
    origin = longsong.load_run(longsong.train(alone, quiet=True)).song_seed(3).origin
    assert (origin["source"], origin["start"]) == ("train", 3 * FRAME * SEQ)
    with pytest.raises(ConfigError, match="seed-example is 25, and the dev split has 25"):
        run.song_seed(25)
    with pytest.raises(ConfigError, match="seed-example"):
        run.song_seed(-1)


def test_any_wav_can_be_the_seed(run, tmp_path):
    samples = tune(500, seed=3)
    write_wav(tmp_path / "seed.wav", samples)
    seed = run.wav_seed(tmp_path / "seed.wav")
    song = run.record.song
    expected = samples[-100:] * np.float32(song["scale"]) + np.float32(song["offset"])
    np.testing.assert_array_equal(seed.frames.reshape(-1), expected)
    assert seed.origin == {"source": "wav", "example": None, "start": 400, "stop": 500, "file": "seed.wav"}
    write_wav(tmp_path / "short.wav", samples[:99])
    with pytest.raises(AudioError, match="longer file"):
        run.wav_seed(tmp_path / "short.wav")


def test_generated_files(run, config, tmp_path):
    generate_into(run, how=Generating(0.5), quiet=True)
    assert not is_generated(run.folder, run.epoch)  # the post's is 30 s
    wav, generated = generate_into(run, quiet=True)
    assert wav == run.folder / "generated.wav"
    np.testing.assert_array_equal(read_mono(wav), generated.samples)
    with wave.open(str(wav)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
    made = json.loads(wav.with_suffix(".json").read_text())
    assert (made["format"], made["seed_in_output"], made["rms"]) == ("longsong.generated", False, generated.level.rms)
    assert is_generated(run.folder, run.epoch)
    assert not is_generated(run.folder, run.epoch + 1)
    whole = wav.read_bytes()
    wav.write_bytes(whole[:-2])
    assert not is_generated(run.folder, run.epoch)

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder))
    events.Reload()
    audio = events.Audio("generated")[-1]
    assert (audio.sample_rate, audio.length_frames, audio.step) == (16_000, 480_000, run.epoch)
    assert audio.encoded_audio_string == whole
    image = events.Images("generated/spectrogram")[-1]
    assert (image.encoded_image_string, image.step) == (spectrogram_png(generated.samples, 16_000), run.epoch)


def test_carried_state_does_not_write_over_the_posts_way(run):
    post, _ = generate_into(run, how=Generating(0.1), quiet=True)
    before = post.read_bytes()
    for how in (Generating(0.1, "carry"), Generating(0.1, join="crossfade")):
        other, _ = generate_into(run, how=how, quiet=True)
        assert other == run.folder / f"generated-{'carry' if how.mode == 'carry' else 'crossfade'}-0.1s.wav"
        assert post.read_bytes() == before != other.read_bytes()


def test_best_and_last(run):
    summary = json.loads((run.folder / "summary.json").read_text())
    assert (run.which, run.epoch) == ("best", summary["best"]["epoch"])
    last = longsong.load_run(run.folder, which="last")
    assert last.epoch == 2


def test_recurrence_over_the_mini_batch_generates_the_posts_way_alone(config, tmp_path):
    coded = replace(config, out=tmp_path / "coded", model=ModelConfig(hidden=8, recurrence="batch"))
    run = longsong.load_run(longsong.train(coded, quiet=True))
    assert len(run.generate(0.1).samples) == 1600
    with pytest.raises(ConfigError, match="D01"):
        run.generate(0.1, mode="carry")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"seconds": 0}, ConfigError),
        ({"seconds": float("nan")}, ConfigError),
        ({"seconds": 1e-9}, ConfigError),
        ({"mode": "sing"}, ConfigError),
    ],
)
def test_what_cannot_be_generated(run, arguments, error):
    with pytest.raises(error):
        run.generate(**arguments)


def test_what_cannot_be_loaded(run, config, tmp_path, monkeypatch):
    with pytest.raises(RunError, match=r"there is no .*config\.json"):
        longsong.load_run(tmp_path)
    with pytest.raises(ConfigError, match="parameters"):
        longsong.load_run(run.folder, which="worst")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="CUDA"):
            longsong.load_run(run.folder, device="cuda")
    best = run.folder / "checkpoints/best.safetensors"
    content = best.read_bytes()
    try:
        best.write_bytes(content[:-9])
        with pytest.raises(CheckpointError, match=r"best\.safetensors"):
            longsong.load_run(run.folder)
    finally:
        best.write_bytes(content)
    record = run.folder / "config.json"
    text = record.read_text()
    unsealed = re.sub(r',\s*"rest_sha256": "[0-9a-f]{64}"', "", text)  # as runs of before 2026-11-23 are
    try:
        for damaged, named in (
            (text.replace('"version": 1', '"version": 2'), "newer version"),
            (text[: len(text) // 2], "cut short"),
            (text.replace('"hidden": 8', '"hidden": 9'), "altered"),
            (unsealed.replace('"hidden": 8', '"hidden": "8"'), "hidden"),
            (unsealed.replace('"cell"', '"sell"'), "cell"),
        ):
            record.write_text(damaged)
            with pytest.raises(LongsongError, match=named):
                longsong.load_run(run.folder)
    finally:
        record.write_text(text)


def test_another_song_in_the_place_of_the_runs_own_is_refused(config, tmp_path):
    song = write_shards(tmp_path / "song", tune(31_600, seed=1))
    run = longsong.load_run(longsong.train(replace(config, shards=song, out=tmp_path / "run"), quiet=True))
    song.rename(tmp_path / "moved")
    write_shards(tmp_path / "song", tune(31_600, seed=2))
    with pytest.raises(RunError, match="another song"):
        run.song_seed()


def test_no_other_file_is_written_over(run, tmp_path, capsys):
    before = (run.folder / "config.json").read_bytes()
    assert main(["generate", str(run.folder), "--seconds", "0.1", "--output", str(run.folder / "config.wav")]) == 2
    assert "another --output" in capsys.readouterr().err
    assert (run.folder / "config.json").read_bytes() == before
    assert not (run.folder / "config.wav").exists()


def test_the_shards_are_found_from_anywhere_or_named(config, tmp_path, monkeypatch, capsys):
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.chdir(base)
    write_shards(base / "shards/song", tune(31_600))
    run = longsong.train(replace(config, shards=Path("shards/song"), out=Path("runs/one")), quiet=True)
    monkeypatch.chdir(tmp_path)
    words = ["generate", str(base / run), "--seconds", "0.1"]
    assert main(words) == 0
    (base / "shards").rename(tmp_path / "elsewhere")
    assert main(words) == 2
    assert "--shards" in capsys.readouterr().err
    assert main([*words, "--shards", str(tmp_path / "elsewhere/song")]) == 0


def test_the_command_names_what_was_made(run, tmp_path, capsys):
    target = tmp_path / "out.wav"
    assert main(["generate", str(run.folder), "--seconds", "0.2", "--mode", "carry", "--output", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert len(read_mono(target)) == 3200
    assert main(["generate", str(run.folder), "--output", str(tmp_path / "out.mp3")]) == 2
    assert "out.mp3" in capsys.readouterr().err
