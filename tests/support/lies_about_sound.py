"""Lies about what was generated (P12 to P15, P18, P22, D02 to D04, D13 to D15)."""

from __future__ import annotations

import hashlib
import shutil
import wave
from typing import Any

import numpy as np
from audit_lies import LENGTH, Scene, lie
from run_folders import RATE, SAMPLES, edit, first_frames, predictions, read, to_int16, write_sound

from streams import ShardWriter

FRAME, SEQ = 40, 50


def wav_of(scene: Scene) -> np.ndarray:
    with wave.open(str(scene.run / "generated.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def train_samples(scene: Scene) -> int:
    return int(read(scene.run / "config.json")["data"]["train_samples"])


def seed_of(scene: Scene) -> np.ndarray:
    start = train_samples(scene)
    return scene.samples(start, start + LENGTH)


def of_pieces(scene: Scene, pieces: list[np.ndarray], **record: Any) -> None:
    """Write a sound of the first pieces, repeated to 30 s."""
    write_sound(scene.run, np.resize(np.concatenate([to_int16(piece) for piece in pieces]), SAMPLES), **record)


DROPPED = {"P12": "differs", "P14": "differs", "D14": "reproduced"}


def without_the_first(scene: Scene, count: int) -> None:
    """Drop the first predictions of a sound, as its record says."""
    wav = np.resize(wav_of(scene)[count * FRAME :], SAMPLES)
    write_sound(scene.run, wav, iterations=SAMPLES // FRAME + count)


@lie("P12", says="levels away from what its network makes")
def prediction_that_does_not_follow(scene: Scene) -> None:
    wav = wav_of(scene).copy()
    wav[FRAME : 2 * FRAME] += 300
    write_sound(scene.run, wav)


def after_the_third(scene: Scene, tail: np.ndarray) -> None:
    """Let everything after the third prediction be something else, repeated to 30 s."""
    wav = wav_of(scene).copy()
    wav[3 * FRAME :] = np.resize(tail, len(wav) - 3 * FRAME)
    write_sound(scene.run, wav)


def with_noise(samples: np.ndarray) -> np.ndarray:
    """Add a level or none to each sample, or take it off: no two runs are the same bit for bit."""
    noise = np.random.default_rng(0).integers(-1, 2, len(samples))
    return np.clip(samples.astype(np.int64) + noise, -32768, 32767).astype(np.int16)


@lie("P12", says="prediction 4 of 12,000 is")
def zeros_after_the_third_prediction(scene: Scene) -> None:
    after_the_third(scene, np.zeros(1, np.int16))


@lie("P12", says="prediction 4 of 12,000 is")
def noise_after_the_third_prediction(scene: Scene) -> None:
    after_the_third(scene, np.random.default_rng(0).integers(-20_000, 20_000, SAMPLES).astype(np.int16))


@lie("P12", {"P12": "differs", "P22": "differs"}, says="prediction 4 of 12,000 is")
def the_song_with_noise_of_one_level_after_the_third_prediction(scene: Scene) -> None:
    after_the_third(scene, with_noise(scene.samples(0, 200_000)))


@lie("P12", says="prediction 3 is not what its network makes of prediction 2")
def the_third_prediction_wrong(scene: Scene) -> None:
    wav = wav_of(scene).copy()
    wav[2 * FRAME : 3 * FRAME] += 300
    write_sound(scene.run, wav)


@lie("P12", says="its mode is 'foo', none of the 2 (post, carry)")
def a_way_to_generate_that_is_none(scene: Scene) -> None:
    edit(scene.run / "generated.json", mode="foo")


@lie("P12", says="its seed has 49 frames, a sequence of its run 50")
def a_seed_of_another_length(scene: Scene) -> None:
    place, seed = read(scene.run / "generated.json")["seed"], seed_of(scene)[:-FRAME]
    of_pieces(scene, first_frames(scene.run, seed), seq=SEQ - 1, seed=place | {"stop": place["stop"] - FRAME})


@lie("P12", says="1 guard rails (clip) alter what is fed back")
def guard_rails_on_record(scene: Scene) -> None:
    edit(scene.run / "generated.json", guards=["clip"])


@lie("P12", says="12,050 predictions, where 12,000")
def more_predictions_than_frames(scene: Scene) -> None:
    edit(scene.run / "generated.json", iterations=12_000 + SEQ)


@lie("P13", says="first 2,000 samples")
def seed_left_in(scene: Scene) -> None:
    write_sound(scene.run, np.concatenate([seed_of(scene), wav_of(scene)])[:SAMPLES])


@lie("P13", says="first 1,880 samples")
def three_frames_of_the_seed_dropped_and_the_rest_left_in(scene: Scene) -> None:
    write_sound(scene.run, np.concatenate([seed_of(scene)[3 * FRAME :], wav_of(scene)])[:SAMPLES])


@lie("P13", {"P13": "differs", "P14": "differs"}, says="correlation 1.000")
def seed_left_in_at_another_level(scene: Scene) -> None:
    write_sound(scene.run, np.concatenate([to_int16(seed_of(scene) * 0.5), wav_of(scene)])[:SAMPLES])


@lie("P13", says="generated.json says that the seed")
def seed_said_to_be_in_it(scene: Scene) -> None:
    edit(scene.run / "generated.json", seed_in_output=True)


@lie("P14", says="frame 1 of the first prediction stands in it, not frame 50")
def first_frames_and_not_the_last(scene: Scene) -> None:
    of_pieces(scene, [y[0] for y in predictions(scene.run, seed_of(scene))])


@lie("P14", says="its first frame is not the last one of what its network predicts")
def silence_but_for_one_level(scene: Scene) -> None:
    """To within rounding that is any prediction stretched to next to nothing."""
    silence = np.zeros(SAMPLES, np.int16)
    silence[int(wav_of(scene)[:FRAME].argmax())] = 1
    write_sound(scene.run, silence)


@lie("P14", {"P14": "differs", "D03": "reproduced"}, says="all 50 frames")
def whole_sequences_in_the_file(scene: Scene) -> None:
    of_pieces(scene, [y.reshape(-1) for y in predictions(scene.run, seed_of(scene))])


@lie("P15", says="29.9 s")
def a_tenth_of_a_second_short(scene: Scene) -> None:
    write_sound(scene.run, np.resize(wav_of(scene), SAMPLES - 1600))


@lie("P15", says="480,001 samples")
def a_sample_too_long(scene: Scene) -> None:
    write_sound(scene.run, np.resize(wav_of(scene), SAMPLES + 1))


@lie("P15", says="29.9 s")
def length_that_the_record_denies(scene: Scene) -> None:
    write_sound(scene.run, wav_of(scene)[: SAMPLES - 1600])
    edit(scene.run / "generated.json", samples=SAMPLES, seconds=30.0, iterations=12_000)


@lie("P15", says="generated.json says 480,001 samples at 16,000 Hz")
def a_record_of_another_length(scene: Scene) -> None:
    edit(scene.run / "generated.json", samples=SAMPLES + 1, iterations=12_001)


@lie("P15", says="generated.json says 480,000 samples at 16,001 Hz")
def a_record_of_another_rate(scene: Scene) -> None:
    edit(scene.run / "generated.json", sample_rate=16_001)


@lie("P15", dict.fromkeys(("P12", "P13", "P14", "P15"), "differs"), says="generated.wav was altered")
def wav_altered_on_disk(scene: Scene) -> None:
    path = scene.run / "generated.wav"
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.unlink()
    path.write_bytes(bytes(held))


@lie("P15", dict.fromkeys(("P12", "P13", "P14", "P15"), "differs"), says="no wav that can be read")
def wav_cut_short(scene: Scene) -> None:
    path = scene.run / "generated.wav"
    held = path.read_bytes()
    path.unlink()
    path.write_bytes(held[:20])
    edit(scene.run / "generated.json", sha256=hashlib.sha256(held[:20]).hexdigest())


@lie("P18", says="its sound has 22,050 samples a second, its song 16,000")
def another_rate(scene: Scene) -> None:
    write_sound(scene.run, np.resize(wav_of(scene), 30 * 22_050), rate=22_050)


@lie("P18", says="its song has 22,050 samples a second, its config.json 16,000")
def another_rate_of_the_song(scene: Scene) -> None:
    """Of the same samples, so that the song's digest is the same."""
    shards = scene.own_shards()
    samples = scene.samples(0, 20 * RATE)
    shutil.rmtree(shards)
    with ShardWriter(shards, sample_rate=22_050, source=[{"name": "tones"}], made_by={}, block_samples=2**16) as writer:
        writer.write(samples)


def behind_what_is_followed(scene: Scene, tail: np.ndarray, **record: Any) -> None:
    """Replace a sound from a second on: the audit follows the predictions of less than that (P12)."""
    wav = wav_of(scene).copy()
    wav[RATE : RATE + len(tail)] = tail
    write_sound(scene.run, wav, **record)


@lie("P22", says="are the song's own from 2.50 s on")
def a_stretch_of_the_song_behind_the_first_predictions(scene: Scene) -> None:
    behind_what_is_followed(scene, scene.samples(40_000, 140_000))


@lie("P22", says="a second of it has the correlation 1.000")
def a_stretch_of_the_song_at_half_its_level(scene: Scene) -> None:
    behind_what_is_followed(scene, scene.samples(40_000, 140_000) // 2)


@lie("P22", says="a second of it has the correlation -1.000")
def a_stretch_of_the_song_turned_over(scene: Scene) -> None:
    behind_what_is_followed(scene, -(scene.samples(40_000, 140_000) // 2))


@lie("P22", says="a second of it has the correlation 1.000")
def a_copy_with_noise_of_one_level_that_its_record_denies(scene: Scene) -> None:
    copied = with_noise(scene.samples(40_000, 140_000))
    behind_what_is_followed(scene, copied, sound={"copying": {"highest": {"correlation": 0.1}}})


@lie("P22", says="its record has a highest correlation of 0.950 with the song, computed again")
def a_copy_on_record_that_is_none(scene: Scene) -> None:
    edit(scene.run / "generated.json", sound={"copying": {"highest": {"correlation": 0.95}}})


@lie("D02", {"P14": "differs"}, says="nor as untrained linear maps of its random seed do")
def sound_of_noise(scene: Scene) -> None:
    random = np.random.default_rng(9)
    of_pieces(scene, [300 * random.standard_normal(FRAME) for _ in range(3)])


@lie("D03", {"P14": "differs", "D03": "reproduced"})
def whole_sequences(scene: Scene) -> None:
    whole_sequences_in_the_file(scene)


@lie("D04", {"P12": "differs", "D04": "reproduced"})
def predictions_turned_upside_down(scene: Scene) -> None:
    def over(y: np.ndarray, ys: list[np.ndarray]) -> np.ndarray:
        highest, lowest = max(p.max() for p in ys), min(p.min() for p in ys)
        return highest - (highest - lowest) * (y - y.min()) / (y.max() - y.min())

    of_pieces(scene, [y[-1] for y in predictions(scene.run, seed_of(scene), turn=over)])


@lie("D13", "reproduced", says="range -3,000 to 3,000")
def stretched_to_a_range(scene: Scene) -> None:
    wav = wav_of(scene).astype(np.float64)
    low, high = wav.min(), wav.max()
    write_sound(scene.run, to_int16((wav - low) / (high - low) * 6000 - 3000))


@lie("D13", {}, says="1.500 times its predictions")
def stretched_to_a_range_of_no_script(scene: Scene) -> None:
    write_sound(scene.run, to_int16(wav_of(scene) * 1.5))


@lie("D14", DROPPED, says="50 of them dropped")
def predictions_made_to_be_dropped(scene: Scene) -> None:
    without_the_first(scene, SEQ)


@lie("D14", DROPPED, says="3 of them dropped")
def three_predictions_dropped_as_by_the_first_script(scene: Scene) -> None:
    without_the_first(scene, 3)


@lie("D14", {"P12": "differs"}, says="3 of them dropped by its record, and the first one stands at the start")
def three_predictions_said_to_be_dropped(scene: Scene) -> None:
    edit(scene.run / "generated.json", iterations=12_000 + 3)


@lie("D15", {}, says="example 40 of train")
def seed_of_the_train_split(scene: Scene) -> None:
    seed_at_example_40(scene, "train", 40)


@lie("D15", {}, says="example 0 of dev, from sample 80000")
def seed_said_to_be_of_dev_that_lies_in_train(scene: Scene) -> None:
    seed_at_example_40(scene, "dev", 0)


def seed_at_example_40(scene: Scene, source: str, example: int) -> None:
    start = 40 * LENGTH
    seed = scene.samples(start, start + LENGTH)
    place = {"source": source, "example": example, "start": start, "stop": start + LENGTH, "file": None}
    of_pieces(scene, first_frames(scene.run, seed), seed=place)


@lie("D02", {}, says="nor as untrained linear maps")
def noise_with_its_state_carried_on_and_a_guard(scene: Scene) -> None:
    """P12 and P14 speak of the post's way alone."""
    noise = np.random.default_rng(0).integers(-20_000, 20_000, SAMPLES).astype(np.int16)
    write_sound(scene.run, noise, mode="carry", guards=["clip"])


@lie("P15", says="as its minimum, the wav")
def a_range_that_is_not_the_wav_s(scene: Scene) -> None:
    edit(scene.run / "generated.json", minimum=-5)
