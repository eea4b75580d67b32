"""Lies about the song, the data and the training (P01 to P11, P16 to P21, D01, D05 to D12)."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
from audit_lies import BASE, LENGTH, Scene, lie, made_otherwise
from run_folders import (
    RATE,
    Spec,
    comparison,
    dump,
    edit,
    edit_metrics,
    read,
    rehash,
    rewrite_parameters,
    rewrite_song,
    write_run,
    write_song,
)
from safetensors.numpy import load_file, save_file

FRAME = 40

made_otherwise("P07", epochs=29, says="29 epochs")
made_otherwise("P06", batch=127, says="127 examples, not 128")
made_otherwise("P10", layers=3, says="3 layers")
made_otherwise("P10", "no evidence yet", hidden=128, says="128")
made_otherwise("P11", cost_factor=40.0 * 50.0, says="sum over the example")
made_otherwise("P11", cost_factor=50.0, says="sum over the sequence")
made_otherwise("P11", cost_factor=40.0, says="sum over the frame")
made_otherwise("P05", target=0, says="frame 0 later")
made_otherwise("P05", target=2, says="frame 2 later")
made_otherwise("P19", reset_every=25, says="after 25 of 50 frames")
made_otherwise("P19", reset_every=1, says="after 1 of 50 frames")
made_otherwise("P20", gradient_clip=1e-3, says="of a gradient of norm 0.001, clipped before RMSProp")
made_otherwise("P21", aim=0.999, says="of predicting the mean")
made_otherwise("D01", "reproduced", recurrence="batch")
made_otherwise("D05", "reproduced", normalise="stdev", says="normalise stdev")
made_otherwise("D06", forget_bias=1.0, says="forget bias 1.0, not 0")
made_otherwise("D07", hop=1000, says="hop of 1,000")
made_otherwise("D08", {"P05": "differs", "D08": "reproduced"}, train_examples=145, says="145 train examples")
made_otherwise("D11", "reproduced", evaluate_each_update=True)
made_otherwise("D12", "reproduced", offset_shift=-0.06)


@lie("P01", says="one of 2")
def two_songs(scene: Scene) -> None:
    write_run(scene.runs, write_song(scene.tmp / "other", seed=4), Spec(100, 50))


# What rests on samples that cannot be trusted bears no witness; but nothing else is said to differ.
_UNSEEN = dict.fromkeys(
    ("P05", "P11", "P12", "P13", "P14", "P17", "P19", "P20", "P21", "P22", "D02", "D04", "D09"), "no evidence yet"
)


@lie("P01", {"P01": "differs", **_UNSEEN}, says="is altered")
def two_frames_swapped_in_a_shard(scene: Scene) -> None:
    (shard,) = scene.own_shards().glob("*.tar")
    held = bytearray(shard.read_bytes())
    held[4096:4176], held[8192:8272] = held[8192:8272], held[4096:4176]
    shard.unlink()
    shard.write_bytes(bytes(held))


@lie("P01", {"P01": "differs", **_UNSEEN}, says="have the digest")
def two_frames_swapped_and_the_digests_of_the_shards_made_to_fit(scene: Scene) -> None:
    rewrite_song(scene.own_shards(), swapped(50, 900))


@lie("P05", {"P05": "differs", "P11": "differs", "P19": "no evidence yet"}, says="% off")
def two_frames_swapped_and_every_digest_made_to_fit(scene: Scene) -> None:
    """In the dev split: the song, and with it all of its digests, is then another, but the networks are not."""
    shards = scene.own_shards()
    train = read(scene.run / "config.json")["data"]["train_samples"]
    dev = scene.samples(train + LENGTH, train + 12 * LENGTH).reshape(-1, FRAME).astype(float)
    loud, soft = (int(at(np.square(dev).mean(1))) for at in (np.argmax, np.argmin))
    rewrite_song(shards, swapped(*(train // FRAME * FRAME + LENGTH + FRAME * k for k in (loud, soft)), at_sample=True))
    digest = read(shards / "index.json")["digest"]
    for path in scene.runs.glob("*/config.json"):
        edit(path, song__digest=digest)


def swapped(one: int, other: int, *, at_sample: bool = False) -> Any:
    """Give a function that swaps two frames of a song, by their numbers or their first samples."""
    a, b = (at if at_sample else at * FRAME for at in (one, other))

    def swap(samples: np.ndarray) -> None:
        samples[a : a + FRAME], samples[b : b + FRAME] = samples[b : b + FRAME].copy(), samples[a : a + FRAME].copy()

    return swap


@lie("P02", says="gives 41")
def output_of_another_frame(scene: Scene) -> None:
    def wider(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        W, b = p["hidden_to_output.W"], p["hidden_to_output.b"]
        return p | {"hidden_to_output.W": np.hstack([W, W[:, :1]]), "hidden_to_output.b": np.append(b, b[:1])}

    rewrite_parameters(scene.run, wider)


@lie("P03", "no evidence yet", says="Left: 50", base="whole")
def a_frame_that_was_not_run(scene: Scene) -> None:
    (scene.runs / "50x50-gru-256-s1" / "summary.json").unlink()
    write_run(scene.runs, scene.song, Spec(60, 50, hidden=256))


@lie("P04", "not stated", says="Runs with 60 frames are none of the post's", base="whole")
def a_length_that_was_not_run(scene: Scene) -> None:
    for run in list(scene.runs.glob("*/summary.json")):
        run.unlink()
    for spec in (Spec(40, 60), Spec(50, 60, hidden=256)):
        write_run(scene.runs, scene.song, spec)


@lie("P04", says="'does not fit'")
def configuration_said_not_to_fit(scene: Scene) -> None:
    grid = read(scene.runs / "grid.json")
    entry = next(entry for entry in grid["runs"] if entry["frame"] == 100 and entry["seq"] == 100)
    entry |= {"state": "does not fit", "train_examples": 0}
    dump(scene.runs / "grid.json", grid)


@lie("P06", {**dict.fromkeys(("P05", "P06", "P20"), "differs"), "D08": "reproduced"}, says="18 examples, not 17")
def examples_counted_wrongly_afterwards(scene: Scene) -> None:
    edit(scene.run / "config.json", data__train_examples=145)


@lie("P06", says="update 7")
def order_that_is_not_fuels(scene: Scene) -> None:
    digest = "0" * 64
    edit_metrics(scene.run, lambda line: line | {"indices_sha256": digest} if line.get("update") == 7 else line)


@lie("P06", says="number 5 is due")
def update_left_out(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: None if line.get("update") == 5 and "seconds" in line else line)
    # With the means over the updates that are left, so that nothing else tells.
    lines = [line for line in read_lines(scene) if line["kind"] == "update"]
    means = {f"{name}_share": float(np.mean([line[key] for line in lines])) for name, key in _SHARES}
    edit(scene.run / "summary.json", **means)


_SHARES = (("clipped", "clipped"), ("floor", "floor_share"))


def read_lines(scene: Scene) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (scene.run / "metrics.jsonl").read_text().splitlines()]


@lie("P07", dict.fromkeys(("P06", "P07", "P11", "P20"), "differs"), says="metrics.jsonl was altered")
def metric_edited_by_hand(scene: Scene) -> None:
    edit_metrics(
        scene.run, lambda line: line | {"train_cost": 1e-3} if line.get("update") == 9 else line, keep_digest=True
    )


@lie("P11", {"P05": "differs", "P11": "differs"}, says="% off")
def dev_cost_edited_by_hand_digest_and_all(scene: Scene) -> None:
    def better(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"dev_cost": 0.9 * line["dev_cost"]} if line["kind"] == "dev" and line["epoch"] == 30 else line

    edit_metrics(scene.run, better)


@lie("P20", says="as if clipped before RMSProp to")
def gradient_clipped_before_its_norm_was_noted(scene: Scene) -> None:
    scene.rewrite(replace(BASE, gradient_clip=1e-3))
    edit_metrics(scene.run, lambda line: line | {"gradient_norm": 1e-3} if is_update(line, 1) else line)


@lie("P17", "no evidence yet", says="the same with no state at all")
def networks_for_which_the_axis_does_not_matter(scene: Scene) -> None:
    for spec in (BASE, Spec(50, 50, hidden=256)):
        shutil.rmtree(scene.runs / spec.name)
        write_run(scene.runs, scene.song, replace(spec, memoryless=True))


@lie("P20", says="cost of its first update")
def train_cost_edited_by_hand_digest_and_all(scene: Scene) -> None:
    edit_metrics(
        scene.run,
        lambda line: line | {"train_cost": 0.9 * line["train_cost"]} if is_update(line, 1) else line,
    )


@lie("P20", says="cost after it")
def a_first_step_that_was_not_taken(scene: Scene) -> None:
    first = next(line for line in read_lines(scene) if is_update(line, 1))
    edit_metrics(
        scene.run, lambda line: line | {"train_cost": 1.05 * first["train_cost"]} if is_update(line, 2) else line
    )


@lie("P20", says="a step of norm 1.2, where 1.2 clipped to 1 is 1")
def a_step_that_was_not_clipped(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"step_norm": 1.2} if is_update(line, 9) else line)


@lie("P20", says="where RMSProp makes")
def a_step_larger_than_rmsprop_makes(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"gradient_norm": 1e-4} if is_update(line, 9) else line)


@lie("P20", says="its summary has a floor share")
def a_share_that_is_not_that_of_the_updates(scene: Scene) -> None:
    edit(scene.run / "summary.json", floor_share=0.2)


@lie("P20", says="60 of 60 updates have no norms")
def updates_without_norms(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: {key: value for key, value in line.items() if key != "step_norm"})


def is_update(line: dict[str, Any], number: int) -> bool:
    return line["kind"] == "update" and line["update"] == number


@lie("P08", base="compared")
def gru_that_is_slower(scene: Scene) -> None:
    for path in scene.runs.glob("*-gru-*/summary.json"):
        edit(path, seconds_per_update=1.0)


@lie("P08", {"P08": "differs", "P09": "differs"}, base="compared")
def lstm_that_is_worse(scene: Scene) -> None:
    rewrite_lstm(scene, 0.2)


@lie("P08", {"P08": "no evidence yet", "P09": "differs"}, base="compared")
def lstm_that_may_be_worse(scene: Scene) -> None:
    rewrite_lstm(scene, 0.045)


@lie("P09", base="compared")
def lstm_that_is_a_little_worse(scene: Scene) -> None:
    rewrite_lstm(scene, 0.02)


def rewrite_lstm(scene: Scene, above: float) -> None:
    for spec in comparison(above, ("lstm",)):
        shutil.rmtree(scene.runs / spec.name)
        write_run(scene.runs, scene.song, spec)


@lie("P08", {"P08": "differs", "P09": "differs"}, base="compared", says="best dev cost of 0.01")
def best_cost_that_is_not_in_the_metrics(scene: Scene) -> None:
    edit(scene.runs / "40x50-lstm-199-s2" / "summary.json", best__dev_cost=0.01)


@lie("P10", {"P02": "differs", "P10": "differs"}, says="was altered")
def parameters_altered_on_disk(scene: Scene) -> None:
    (path,) = (scene.run / "checkpoints").glob("update-*/parameters.safetensors")
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.unlink()
    path.write_bytes(bytes(held))


@lie("P10", says="where its files say")
def parameters_counted_wrongly(scene: Scene) -> None:
    edit(scene.run / "summary.json", parameters=496_240)


@lie(
    "P05",
    {**dict.fromkeys(("P02", "P05", "P10", "P11", "P14", "P21"), "differs"), "D02": "reproduced"},
    says="best.safetensors was altered",
)
def best_parameters_of_another_network(scene: Scene) -> None:
    path = scene.run / "checkpoints" / "best.safetensors"
    held = load_file(path)
    path.unlink()
    save_file(held | {"hidden_to_output.W": -held["hidden_to_output.W"]}, path)


@lie("P16", says="no licence")
def code_without_a_licence(scene: Scene) -> None:
    import longsong

    package = scene.tmp / "checkout" / "src" / "longsong"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (scene.tmp / "checkout" / "pyproject.toml").touch()
    scene.monkeypatch.setattr(longsong, "__file__", str(package / "__init__.py"))


@lie(
    "D01",
    {**dict.fromkeys(("P14", "P20"), "differs"), **dict.fromkeys(("D01", "D02"), "reproduced")},
    says="that of the other axis",
)
def axis_of_the_recurrence_denied(scene: Scene) -> None:
    run = scene.rewrite(replace(BASE, recurrence="batch"))
    edit(run / "config.json", model__recurrence="time")


@lie("D06", {"D06": "differs", "P10": "differs"}, says="1 more parameters")
def forget_bias_among_the_parameters(scene: Scene) -> None:
    rewrite_parameters(scene.run, lambda p: p | {"forget_bias0": np.ones(199, np.float32)})


@lie("D09", "reproduced")
def data_stored_for_each_configuration(scene: Scene) -> None:
    (scene.own_shards() / "40x50.npy").write_bytes(bytes(16 * 20 * RATE))


@lie("D10", "reproduced", says="not 0.00")
def learning_rate_that_starts_again(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"learning_rate": 0.002} if line["epoch"] == 20 else line)


@lie("D10", "reproduced", says="its checkpoint has the learning rate")
def learning_rate_not_in_the_checkpoint(scene: Scene) -> None:
    (state,) = (scene.run / "checkpoints").glob("update-*/state.json")
    edit(state, learning_rate=0.002)


@lie("D10", "reproduced", says="optimiser's state")
def optimiser_without_a_state(scene: Scene) -> None:
    (path,) = (scene.run / "checkpoints").glob("update-*/optimiser.safetensors")
    held = load_file(path)
    path.unlink()
    save_file({name: tensor for name, tensor in held.items() if name != "gru1.state_to_state"}, path)
    rehash(scene.run)
