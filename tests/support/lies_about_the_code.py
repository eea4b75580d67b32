"""Lies about what the 2016 code did (D01 to D03, D05 to D15): runs that do as it did, and runs that nearly do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from audit_lies import BASE, LENGTH, Scene, lie, made_otherwise
from lies_about_sound import FRAME, SEQ, of_pieces, seed_of, wav_of
from run_folders import (
    RATE,
    SAMPLES,
    Spec,
    edit,
    edit_metrics,
    first_frames,
    read,
    rehash,
    rewrite_parameters,
    to_int16,
    write_run,
    write_sound,
)
from safetensors.numpy import load_file, save_file

from longsong.audit.first_updates import initial_parameters
from longsong.audit.run import Run

made_otherwise("D01", "reproduced", recurrence="batch")
made_otherwise("D05", "reproduced", normalise="stdev", says="normalise stdev")
made_otherwise("D06", forget_bias=1.0, says="forget bias 1.0, not 0")
made_otherwise("D07", hop=1000, says="hop of 1,000")
made_otherwise("D08", {"P05": "differs"}, train_examples=145, says="145 train examples, where 146 fit")
made_otherwise("D10", "reproduced", restarted_after=19, says="the first learning rate again at update 39")
made_otherwise("D11", "reproduced", evaluate_each_update=True)
made_otherwise("D12", {}, offset_shift=-0.06, says="becomes [-1.06")
made_otherwise("D12", {}, offset_shift=3e-6, says="becomes [-0.999997")


@lie(
    "D01",
    {**dict.fromkeys(("P14", "P20"), "differs"), "D01": "reproduced"},
    says="that of the other axis",
)
def axis_of_the_recurrence_denied(scene: Scene) -> None:
    run = scene.rewrite(replace(BASE, recurrence="batch"))
    edit(run / "config.json", model__recurrence="time")


@lie("D01", {"P05": "differs", "P11": "differs"}, says="over neither axis is its dev cost")
def a_dev_cost_of_neither_axis(scene: Scene) -> None:
    cost = 0.9 * read(scene.run / "summary.json")["best"]["dev_cost"]

    def better(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"dev_cost": cost} if line["kind"] == "dev" and line["epoch"] == 30 else line

    edit_metrics(scene.run, better)
    edit(scene.run / "summary.json", best__dev_cost=cost, last_dev_cost=cost)


@lie("D01", dict.fromkeys(("P14", "P20"), "differs"), says="batch by its configuration, but its first update is")
def the_axis_of_2016_by_its_name_alone(scene: Scene) -> None:
    """Without a dev example, so that there is no dev cost to tell."""
    edit(write_run(scene.runs, scene.song, Spec(1000, 50)) / "config.json", model__recurrence="batch")


@lie("D02", {"P14": "differs", "D02": "reproduced"}, says="as untrained linear maps do")
def sound_of_untrained_linear_maps(scene: Scene) -> None:
    of_pieces(scene, list(untrained(scene, 3)))


@lie("D02", dict.fromkeys(("P14",), "differs") | dict.fromkeys(("D02", "D13"), "reproduced"))
def sound_of_untrained_linear_maps_that_was_stretched(scene: Scene) -> None:
    sound = np.resize(np.concatenate(list(untrained(scene, 3))), SAMPLES)
    write_sound(scene.run, stretched(sound, -3000, 3000), stretched=True)


def untrained(scene: Scene, number: int) -> Iterator[np.ndarray]:
    """Give the last frames of predictions by the input's and the output's map alone, as they are drawn, in levels."""
    run = Run.open(scene.run)
    p = {name: tensor.astype(np.float64) for name, tensor in initial_parameters(run).items()}
    scale, offset = run.of("song.scale"), run.of("song.offset")
    y = seed_of(scene)[-FRAME:] * scale + offset
    for _ in range(number):
        y = (y @ p["input_to_hidden.W"] + p["input_to_hidden.b"]) @ p["hidden_to_output.W"] + p["hidden_to_output.b"]
        yield (y - offset) / scale


def stretched(sound: np.ndarray, low: int, high: int) -> np.ndarray:
    least, most = float(sound.min()), float(sound.max())
    return to_int16((sound - least) / (most - least) * (high - low) + low)


@lie("D03", {"P12": "differs"}, says="480,000 samples of 6,000 predictions")
def more_samples_than_predictions_but_no_whole_sequences(scene: Scene) -> None:
    edit(scene.run / "generated.json", iterations=6_000)


@lie("D06", {"D06": "differs", "P10": "differs"}, says="1 more parameters")
def forget_bias_among_the_parameters(scene: Scene) -> None:
    rewrite_parameters(scene.run, lambda p: p | {"forget_bias0": np.ones(199, np.float32)})


@lie(
    "D08",
    {**dict.fromkeys(("P05", "P06", "D07"), "differs"), "D08": "reproduced"},
    says="the wrong precedence gives as many",
)
def examples_counted_without_brackets(scene: Scene) -> None:
    """Samples / frame x seq, from left to right; no run can have as many."""
    config = scene.runs / "50x50-gru-256-s1" / "config.json"
    edit(config, data__train_examples=read(config)["data"]["train_samples"] // 50 * 50)


@lie("D09", "reproduced")
def data_stored_for_each_configuration(scene: Scene) -> None:
    (scene.own_shards() / "40x50.npy").write_bytes(bytes(16 * 20 * RATE))


@lie("D09", {}, says="8.0")
def data_stored_in_some_other_way(scene: Scene) -> None:
    (scene.own_shards() / "40x50.npy").write_bytes(bytes(6 * 20 * RATE))


@lie("D10", {}, says="update 41 has the learning rate")
def learning_rate_that_starts_again_for_an_epoch(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"learning_rate": 0.002} if line["epoch"] == 20 else line)


@lie("D10", {}, says="after 0 stops")
def learning_rate_that_starts_again_without_a_stop(scene: Scene) -> None:
    edit(scene.rewrite(replace(BASE, restarted_after=19)) / "summary.json", starts=1)


@lie("D10", {}, says="its checkpoint has the learning rate")
def learning_rate_not_in_the_checkpoint(scene: Scene) -> None:
    (state,) = (scene.run / "checkpoints").glob("update-*/state.json")
    edit(state, learning_rate=0.002)


@lie("D10", {"P20": "differs"}, says="optimiser's state is not that of its 18 parameters but of 17")
def optimiser_without_a_state(scene: Scene) -> None:
    (path,) = (scene.run / "checkpoints").glob("update-*/optimiser.safetensors")
    held = load_file(path)
    path.unlink()
    save_file({name: tensor for name, tensor in held.items() if name != "gru1.state_to_state"}, path)
    rehash(scene.run)


@lie("D10", {"P20": "differs"}, says="optimiser.safetensors was altered since")
def optimiser_that_the_checkpoint_does_not_know(scene: Scene) -> None:
    with_optimiser(scene, -1.0)


@lie("D10", {}, says="its optimiser's state is not that of a start at update 39")
def learning_rates_of_a_start_that_never_was(scene: Scene) -> None:
    held = load_file(optimiser_of(scene))
    scene.rewrite(replace(BASE, restarted_after=19))
    path = optimiser_of(scene)
    path.unlink()
    save_file(held, path)
    rehash(scene.run)


@lie("D10", {"P20": "differs"}, says="60 of its updates have no gradient norm")
def a_start_that_no_gradient_norm_shows(scene: Scene) -> None:
    run = scene.rewrite(replace(BASE, restarted_after=19))
    edit_metrics(run, lambda line: {key: value for key, value in line.items() if key != "gradient_norm"})


def optimiser_of(scene: Scene) -> Path:
    (path,) = (scene.run / "checkpoints").glob("update-*/optimiser.safetensors")
    return path


def with_optimiser(scene: Scene, value: float) -> None:
    path = optimiser_of(scene)
    held = load_file(path)
    path.unlink()
    save_file({name: np.full_like(tensor, value) for name, tensor in held.items()}, path)


@lie("D10", {"P20": "differs"}, says="there is no")
def checkpoint_that_is_gone_in_part(scene: Scene) -> None:
    for path in (scene.run / "checkpoints").glob("update-*/optimiser.safetensors"):
        path.unlink()


@lie("D11", {"P07": "differs"}, says="32 evaluations in 60 updates and 30 epochs")
def one_evaluation_told_twice(scene: Scene) -> None:
    path = scene.run / "metrics.jsonl"
    lines = path.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if '"dev"' in line and '"epoch": 5' in line)
    path.unlink()
    path.write_text("\n".join([*lines[: at + 1], *lines[at:]]) + "\n")
    rehash(scene.run)


@lie("D12", "reproduced", says="shifted by the mean")
def normalised_behind_a_shift_by_the_mean(scene: Scene) -> None:
    song = read(scene.run / "config.json")["song"]
    scene.rewrite(replace(BASE, offset_shift=-song["scale"] * song["mean"]))


@lie("D12", {}, says="becomes [-1.000000, 0.9")
def one_end_shifted_by_the_mean(scene: Scene) -> None:
    one_end_shifted(scene, "minimum")


@lie("D12", {}, says="becomes [-1.060413, 1.000000]")
def the_other_end_shifted_by_the_mean(scene: Scene) -> None:
    one_end_shifted(scene, "maximum")


def one_end_shifted(scene: Scene, stays: str) -> None:
    """Normalise so that one end of the range stays where it is due, and the other is where D12 has it."""
    song = read(scene.run / "config.json")["song"]
    spread = song["maximum"] - song["minimum"]
    # The spread becomes 2 - scale x mean where the minimum stays, 2 + scale x mean where the maximum does.
    scale = 2 / (spread + song["mean"] * (1 if stays == "minimum" else -1))
    offset = (-1 if stays == "minimum" else 1) - scale * song[stays]
    scene.rewrite(replace(BASE, scale_factor=scale / song["scale"], offset_shift=offset - song["offset"]))


@lie("D13", "reproduced", says="range -8,936 to 9,124")
def stretched_as_by_the_first_script(scene: Scene) -> None:
    write_sound(scene.run, stretched(wav_of(scene), -8936, 9124))


@lie("D13", "reproduced")
def stretched_to_the_range_of_its_own_song(scene: Scene) -> None:
    song = read(scene.run / "config.json")["song"]
    write_sound(scene.run, stretched(wav_of(scene), song["minimum"], song["maximum"]))


@lie("D13", {}, says="and stretched by its record")
def stretched_by_its_record_alone(scene: Scene) -> None:
    edit(scene.run / "generated.json", stretched=True)


@lie("D14", {"P12": "differs"}, says="7 of them dropped")
def a_few_predictions_dropped(scene: Scene) -> None:
    edit(scene.run / "generated.json", iterations=12_000 + 7)


@lie("D15", "reproduced", says="example 400 of train")
def seed_of_the_example_of_2016(scene: Scene) -> None:
    """In sequences of 10 frames, since the song has no 400 examples of 50."""
    seed_of_train(scene, 400, 400)


@lie("D15", {}, says="example 400 of train, from sample 159600")
def seed_of_another_place_than_its_example(scene: Scene) -> None:
    seed_of_train(scene, 400, 399)


def seed_of_train(scene: Scene, said: int, used: int) -> None:
    """Add a run whose sound begins with the train example `used`, and says that it is `said`."""
    run = write_run(scene.runs, scene.song, Spec(FRAME, 10, hidden=256))
    start = used * FRAME * 10
    seed = scene.samples(start, start + FRAME * 10)
    place = {"source": "train", "example": said, "start": start, "stop": start + len(seed), "file": None}
    write_sound(run, np.resize(np.concatenate(first_frames(run, seed)), SAMPLES), seed=place)


assert LENGTH == FRAME * SEQ


@lie("D05", {}, says="is not that of the song's standard deviation")
def another_normalisation_by_its_name_alone(scene: Scene) -> None:
    edit(scene.run / "config.json", data__normalise="stdev")
