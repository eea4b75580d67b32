"""Lies about the song, the data, and how training went over it (P01 to P07, P10, P16, P17)."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from audit_lies import BASE, LENGTH, Scene, lie, made_otherwise
from run_folders import (
    Spec,
    copy,
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
made_otherwise("P05", target=0, says="frame 0 later")
made_otherwise("P05", target=2, says="frame 2 later")
made_otherwise("P05", train_share=0.9, says="90.0000% and not 91.8358%")


@lie("P01", says="one of 2")
def two_songs(scene: Scene) -> None:
    write_run(scene.runs, write_song(scene.tmp / "other", seed=4), Spec(100, 50))


@lie("P01", says="minimum is")
def minimum_of_no_sample(scene: Scene) -> None:
    edit_extreme(scene, "minimum", -1)


@lie("P01", says="maximum is")
def maximum_of_no_sample(scene: Scene) -> None:
    edit_extreme(scene, "maximum", 1)


def edit_extreme(scene: Scene, which: str, by: int) -> None:
    stated = read(scene.run / "config.json")["song"][which]
    edit(scene.run / "config.json", **{f"song__{which}": stated + by})


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


@lie("P06", dict.fromkeys(("P05", "P06", "P20"), "differs"), says="18 examples, not 17")
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
    edit(scene.run / "summary.json", updates=len(lines), **means)


_SHARES = (("clipped", "clipped"), ("floor", "floor_share"))


def read_lines(scene: Scene) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (scene.run / "metrics.jsonl").read_text().splitlines()]


@lie("P06", says="a copy of 40x50-gru-199-s1: the costs and seconds of its 60 updates are the same")
def a_copied_run(scene: Scene) -> None:
    copy(scene.run, scene.runs / "made-on-another-day")
    edit(scene.runs / "made-on-another-day" / "config.json", song__name="waves")
    # The same numbers in other words.
    path = scene.runs / "made-on-another-day" / "metrics.jsonl"
    lines = [json.dumps(json.loads(text), sort_keys=True) for text in path.read_text().splitlines()]
    path.unlink()
    path.write_text("\n".join(lines) + "\n")
    rehash(path.parent)


def said_to_be_of_the_code(scene: Scene, run: Path) -> None:
    """Let grid.json have a run in the 2016 code's own set."""
    grid = read(scene.runs / "grid.json")
    entry = next((one for one in grid["runs"] if one["name"] == run.name), None) or grid["runs"][0]
    entry |= {"name": run.name, "set": "code"}
    dump(scene.runs / "grid.json", grid)


@lie("P06", says="update 7")
def an_order_hidden_in_the_set_of_the_code(scene: Scene) -> None:
    """The post has this configuration too, so that nothing excuses it."""
    run = write_run(scene.runs, scene.song, Spec(1000, 50))
    edit_metrics(run, lambda line: line | {"indices_sha256": "0" * 64} if line.get("update") == 7 else line)
    said_to_be_of_the_code(scene, run)


@lie("P07", says="29 epochs")
def epochs_hidden_in_the_set_of_the_code(scene: Scene) -> None:
    said_to_be_of_the_code(scene, scene.rewrite(replace(BASE, epochs=29)))


@lie("P07", says="1000x50-gru-199-s1: 29 epochs")
def epochs_hidden_in_a_shape_of_the_code(scene: Scene) -> None:
    said_to_be_of_the_code(scene, write_run(scene.runs, scene.song, Spec(1000, 50, epochs=29)))


@lie("P07", says="29 epochs by its dev evaluations")
def a_dev_evaluation_left_out(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: None if line["kind"] == "dev" and line["epoch"] == 7 else line)


@lie("P07", says="on top of those that its first parameters, which are those of 40x50-gru-199-s2, were trained for")
def a_run_that_started_from_another(scene: Scene) -> None:
    write_run(scene.runs, scene.song, replace(BASE, seed=2))
    scene.rewrite(replace(BASE, start_from="40x50-gru-199-s2"))


@lie("P07", dict.fromkeys(("P06", "P07", "P11", "P20"), "differs"), says="metrics.jsonl was altered")
def metric_edited_by_hand(scene: Scene) -> None:
    edit_metrics(
        scene.run, lambda line: line | {"train_cost": 1e-3} if line.get("update") == 9 else line, keep_digest=True
    )


@lie("P17", "no evidence yet", says="the same with no state at all")
def networks_for_which_the_axis_does_not_matter(scene: Scene) -> None:
    for spec in (BASE, Spec(50, 50, hidden=256)):
        shutil.rmtree(scene.runs / spec.name)
        write_run(scene.runs, scene.song, replace(spec, memoryless=True))


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
    dict.fromkeys(("P02", "P05", "P10", "P11", "P14", "P21"), "differs"),
    says="best.safetensors was altered",
)
def best_parameters_of_another_network(scene: Scene) -> None:
    path = scene.run / "checkpoints" / "best.safetensors"
    held = load_file(path)
    path.unlink()
    save_file(held | {"hidden_to_output.W": -held["hidden_to_output.W"]}, path)


@lie("P10", {"P10": "differs", "D06": "differs"}, says="recurrent parameters of a gru, where 2 layers of 199 GRUs have")
def a_third_gate(scene: Scene) -> None:
    rewrite_parameters(scene.run, lambda p: p | {"gru0.third_gate": np.ones((199, 199), np.float32)})


@lie("P16", says="no licence")
def code_without_a_licence(scene: Scene) -> None:
    import longsong

    package = scene.tmp / "checkout" / "src" / "longsong"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (scene.tmp / "checkout" / "pyproject.toml").touch()
    scene.monkeypatch.setattr(longsong, "__file__", str(package / "__init__.py"))


@lie("P01", says="its standard deviation is")
def a_standard_deviation_that_is_not_the_song_s(scene: Scene) -> None:
    edit(scene.run / "config.json", song__standard_deviation=1.0)
