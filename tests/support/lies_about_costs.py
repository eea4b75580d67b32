"""Lies about costs, updates and time (P08, P09, P11, P19 to P21)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit_lies import BASE, Scene, lie, made_otherwise
from lies_about_training import read_lines
from run_folders import Spec, comparison, edit, edit_metrics, read, rehash, write_run
from safetensors.numpy import load_file, save_file

from longsong.audit.run import Run
from longsong.audit.side_by_side import SideBySide, write_cells
from longsong.audit.song import see_song
from longsong.audit.trivial_costs import trivial_costs

made_otherwise("P11", cost_factor=40.0 * 50.0, says="sum over the example")
made_otherwise("P11", cost_factor=50.0, says="sum over the sequence")
made_otherwise("P11", cost_factor=40.0, says="sum over the frame")
made_otherwise("P19", reset_every=25, says="after 25 of 50 frames")
made_otherwise("P19", reset_every=1, says="after 1 of 50 frames")
made_otherwise("P20", learning_rate=0.003, says="learning rate 0.003, where 2016 has 0.002")
made_otherwise("P20", lr_decay=0.99, says="lr decay 0.99, where 2016 has 0.97")
made_otherwise("P20", rmsprop_decay=0.9, says="rmsprop decay 0.9, where 2016 has 0.95")
made_otherwise("P20", step_clip=2.0, says="step clip 2.0, where 2016 has 1")
made_otherwise("P20", init_width=0.05, says="init width 0.05, where 2016 has 0.04")
made_otherwise("P20", gradient_clip=1e-3, says="of a gradient of norm 0.001, clipped before RMSProp")
made_otherwise("P21", aim=0.999, says="of predicting the mean")


@lie(
    "P20",
    dict.fromkeys(("P07", "P11", "P20"), "differs"),
    says="40x50-gru-199-s1: its first step is that of a gradient",
)
def a_run_said_to_have_started_from_another(scene: Scene) -> None:
    write_run(scene.runs, scene.song, replace(BASE, seed=2))
    edit(scene.run / "config.json", training__start_from="40x50-gru-199-s2")


@lie("P11", {"P05": "differs", "P11": "differs"}, says="% off")
def dev_cost_edited_by_hand_digest_and_all(scene: Scene) -> None:
    def better(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"dev_cost": 0.9 * line["dev_cost"]} if line["kind"] == "dev" and line["epoch"] == 30 else line

    edit_metrics(scene.run, better)


@lie("P11", {"P05": "differs", "P11": "differs"}, says="(0.30% off)")
def dev_cost_off_by_three_thousandths(scene: Scene) -> None:
    cost = 1.003 * read(scene.run / "summary.json")["best"]["dev_cost"]
    edit_metrics(scene.run, lambda line: line | {"dev_cost": cost} if is_dev(line, 30) else line)
    edit(scene.run / "summary.json", best__dev_cost=cost, last_dev_cost=cost)


@lie("P11", says="its first dev cost is")
def dev_cost_before_training_edited_by_hand(scene: Scene) -> None:
    cost = 1.05 * read(scene.run / "summary.json")["first_dev_cost"]
    edit_metrics(scene.run, lambda line: line | {"dev_cost": cost} if is_dev(line, 0) else line)
    edit(scene.run / "summary.json", first_dev_cost=cost)


@lie("P11", says="its last dev cost is")
def dev_cost_after_training_edited_by_hand(scene: Scene) -> None:
    """The parameters of the last epoch are said to be those of the one before, which was the best."""
    best = read(scene.run / "summary.json")["best"]["dev_cost"]
    costs = {29: best, 30: 1.2 * best}

    def later(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"dev_cost": costs[line["epoch"]]} if line["kind"] == "dev" and line["epoch"] in costs else line

    edit_metrics(scene.run, later)
    edit(scene.run / "summary.json", best__epoch=29, last_dev_cost=costs[30])


@lie("P11", says="its summary has a best dev cost of")
def best_cost_of_no_epoch(scene: Scene) -> None:
    edit(scene.run / "summary.json", best__dev_cost=0.1 * read(scene.run / "summary.json")["best"]["dev_cost"])


@lie("P11", {"P05": "differs", "P11": "differs"}, says="after epoch 3, its metrics of")
def best_epoch_of_another_cost(scene: Scene) -> None:
    edit(scene.run / "summary.json", best__epoch=3)


@lie("P11", says="after epoch 20")
def an_epoch_better_than_the_best(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"dev_cost": 1e-6} if is_dev(line, 20) else line)


@lie("P11", says="its best parameters are to be those after epoch 30")
def best_parameters_that_are_not_the_last(scene: Scene) -> None:
    """Without a dev example there is nothing to choose by."""
    run = write_run(scene.runs, scene.song, Spec(1000, 50))
    path = run / "checkpoints" / "best.safetensors"
    held = load_file(path)
    path.unlink()
    save_file({name: 0.5 * tensor for name, tensor in held.items()}, path)
    rehash(run)
    edit(run / "generated.json", parameters="last")


@lie("P11", says="a last train cost of 1e-06")
def a_train_cost_of_the_summary_alone(scene: Scene) -> None:
    edit(scene.run / "summary.json", last_train_cost=1e-6)


@lie("P11", says="cost of predicting mean")
def cost_of_the_mean_made_larger(scene: Scene) -> None:
    edit(scene.run / "summary.json", cost_of_mean=1.01 * read(scene.run / "summary.json")["cost_of_mean"])


@lie("P11", says="cost of predicting zero")
def cost_of_zero_made_larger(scene: Scene) -> None:
    edit(scene.run / "summary.json", cost_of_zero=1.01 * read(scene.run / "summary.json")["cost_of_zero"])


@lie("P20", says="as if clipped before RMSProp to")
def gradient_clipped_before_its_norm_was_noted(scene: Scene) -> None:
    scene.rewrite(replace(BASE, gradient_clip=1e-3))
    edit_metrics(scene.run, lambda line: line | {"gradient_norm": 1e-3} if is_update(line, 1) else line)


@lie("P20", says="cost of its first update")
def train_cost_edited_by_hand_digest_and_all(scene: Scene) -> None:
    edit_metrics(
        scene.run,
        lambda line: line | {"train_cost": 0.9 * line["train_cost"]} if is_update(line, 1) else line,
    )
    stated = read(scene.run / "summary.json")["first_train_cost"]
    edit(scene.run / "summary.json", first_train_cost=0.9 * stated)


@lie("P20", says="cost after it")
def a_first_step_that_was_not_taken(scene: Scene) -> None:
    first = next(line for line in read_lines(scene) if is_update(line, 1))
    edit_metrics(
        scene.run, lambda line: line | {"train_cost": 1.05 * first["train_cost"]} if is_update(line, 2) else line
    )


@lie("P20", says="a step of norm 1.2, where 1.2 clipped to 1 is 1")
def a_step_that_was_not_clipped(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"step_norm": 1.2} if is_update(line, 9) else line)


@lie("P20", says="its step of norm 1.2 was not clipped to 1")
def a_clipped_step_said_not_to_be(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"clipped": False} if is_update(line, 9) else line)
    share = read(scene.run / "summary.json")["clipped_share"]
    edit(scene.run / "summary.json", clipped_share=share - 1 / 60)


@lie("P20", says="which is that of no epoch before it")
def a_learning_rate_of_no_epoch(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"learning_rate": 0.00195} if is_update(line, 9) else line)


@lie("P20", says="where RMSProp makes")
def a_step_larger_than_rmsprop_makes(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"gradient_norm": 1e-4} if is_update(line, 9) else line)


@lie("P20", says="its summary has a floor share")
def a_share_that_is_not_that_of_the_updates(scene: Scene) -> None:
    edit(scene.run / "summary.json", floor_share=0.2)


@lie("P20", says="its summary has a clipped share")
def a_clipped_share_that_is_not_that_of_the_updates(scene: Scene) -> None:
    edit(scene.run / "summary.json", clipped_share=0.5)


@lie("P20", says="its summary has a seconds per update of 0.001")
def seconds_that_are_not_those_of_the_updates(scene: Scene) -> None:
    edit(scene.run / "summary.json", seconds_per_update=1e-3)


@lie("P20", says="trained for 1 s, of which its updates took 30")
def training_shorter_than_its_updates(scene: Scene) -> None:
    edit(scene.run / "summary.json", training_seconds=1.0)


@lie("P20", says="an update took 0 s")
def an_update_that_took_no_time(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"seconds": 0.0} if is_update(line, 9) else line)


@lie("P20", says="60 of 60 updates have no norms")
def updates_without_norms(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: {key: value for key, value in line.items() if key != "step_norm"})


def is_update(line: dict[str, Any], number: int) -> bool:
    return line["kind"] == "update" and line["update"] == number


def is_dev(line: dict[str, Any], epoch: int) -> bool:
    return line["kind"] == "dev" and line["epoch"] == epoch


@lie("P21", says="of that of repeating the last frame")
def a_network_that_repeats_the_last_frame(scene: Scene) -> None:
    """In half a millisecond the tones of the song move so little that repeating a frame costs less than the mean."""
    spec = Spec(8, 50)
    run = Run.open(write_run(scene.runs, scene.song, spec))
    trivial = trivial_costs(run, see_song(str(scene.song), scene.runs))
    assert trivial.repeat < 0.8 * trivial.mean
    shutil.rmtree(run.folder)
    write_run(scene.runs, scene.song, replace(spec, aim=0.99 * trivial.repeat / trivial.zero))


@lie("P08", base="compared")
def gru_that_is_slower(scene: Scene) -> None:
    for path in scene.runs.glob("*-gru-*/summary.json"):
        edit_metrics(path.parent, lambda line: line | {"seconds": 1.0} if line["kind"] == "update" else line)
        edit(path, seconds_per_update=1.0, training_seconds=60.0)


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


@lie("P08", dict.fromkeys(("P08", "P09", "P11"), "differs"), base="compared", says="best dev cost of 0.01")
def best_cost_that_is_not_in_the_metrics(scene: Scene) -> None:
    edit(scene.runs / "40x50-lstm-199-s2" / "summary.json", best__dev_cost=0.01)


@lie(
    "P11",
    {"P11": "differs", "P21": "no evidence yet"},
    says="evaluations (first: epoch 0) have no dev cost, with",
)
def no_dev_cost_though_there_are_dev_examples(scene: Scene) -> None:
    without_dev_cost(scene.run)


@lie(
    "P21",
    {"P11": "differs", "P21": "no evidence yet"},
    says="nothing can be said (40x50-gru-199-s1 has no dev cost after epoch 30, though it has dev examples)",
)
def a_run_that_has_learnt_nothing_and_is_silent_about_it(scene: Scene) -> None:
    without_dev_cost(scene.rewrite(replace(BASE, aim=0.999)))


@lie(
    "P08",
    dict.fromkeys(("P08", "P09", "P11"), "differs") | {"P21": "no evidence yet"},
    base="compared",
    says="40x50-lstm-199-s2: its summary has a best dev cost of None",
)
def a_seed_left_out_by_its_silence(scene: Scene) -> None:
    without_dev_cost(scene.runs / "40x50-lstm-199-s2")


def without_dev_cost(run: Path) -> None:
    """Take all dev costs out of a run."""
    edit_metrics(run, lambda line: line | {"dev_cost": None} if line["kind"] == "dev" else line)
    none = dict.fromkeys(("best__dev_cost", "first_dev_cost", "last_dev_cost"))
    summary = read(run / "summary.json")
    edit(run / "summary.json", **none, best__epoch=30, best__sha256=summary["parameters_sha256"])


@lie("P08", base="compared", says="2 rounds of 40x50, where 15 or more are measured")
def seconds_of_two_rounds(scene: Scene) -> None:
    one = SideBySide(
        frame=40, seq=50, hidden=199, layers=2, recurrence="time", precision="float32",
        examples=min(128, read(scene.runs / "40x50-gru-199-s1" / "config.json")["data"]["train_examples"]),
        device_name="2 cores", threads=2, seconds={"gru": (1.0, 1.0), "lstm": (2.0, 2.0), "rnn": (0.5, 0.5)},
    )  # fmt: skip
    write_cells(scene.runs / "cells.json", [one])


@lie("P11", says="the evaluation of epoch 3 is of 1 dev examples, and there are")
def an_evaluation_of_one_example(scene: Scene) -> None:
    edit_metrics(scene.run, lambda line: line | {"dev_examples": 1} if is_dev(line, 3) else line)


@lie("P20", says="of squared gradients, and the gradient norms of its updates make")
def gradient_norms_of_late_updates(scene: Scene) -> None:
    edit_metrics(
        scene.run,
        lambda line: line | {"gradient_norm": 0.101} if line.get("update", 0) > 40 and "step_norm" in line else line,
        keep_digest=True,
    )
    rehash(scene.run)


@lie("P20", says="of squared gradients, and")
def an_optimiser_s_state_that_is_none(scene: Scene) -> None:
    (path,) = (scene.run / "checkpoints").glob("update-*/optimiser.safetensors")
    held = load_file(path)
    path.unlink()
    save_file({name: 0 * tensor - 1 for name, tensor in held.items()}, path)
    rehash(scene.run)
