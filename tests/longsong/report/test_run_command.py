"""The commands on the page make the very run again: what they say is read by the command line itself."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import longsong.training
from longsong.cli import main
from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.report.run_command import commands_of, configured
from longsong.switches import switch_on

USUAL = RunConfig(Path("shards/a song"), DataConfig(40, 50, train_samples=1234))


def asked(command: str) -> RunConfig:
    """Give what the command line makes of a command, without training."""
    taken: list[RunConfig] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(longsong.training, "train", lambda config, **_: taken.append(config))
        program, *words = shlex.split(command)
        assert program == "longsong"
        assert main(words) == 0
    return taken[0]


def as_written(run: RunConfig) -> dict[str, Any]:
    """Give the sections of ``config.json``."""
    return {
        "song": {"shards": str(run.shards)},
        **{name: getattr(run, name).to_json() for name in ("data", "model", "training", "execution")},
    }


def is_made_again(run: RunConfig) -> None:
    train, generate = commands_of(configured(as_written(run)), "a run")
    again = asked(train)
    assert str(again.shards) == str(run.shards)
    assert (again.data, again.model, again.training) == (run.data, run.model, run.training)
    # What is chosen by itself follows from what is given.
    assert again.execution == replace(run.execution, elementwise=None, memory=None)
    assert again.folder == Path("runs/a run")
    assert shlex.split(generate) == ["longsong", "generate", "runs/a run"]


@given(
    st.sampled_from(["gru", "lstm"]),
    st.sampled_from(["minmax", "stdev", "none"]),
    st.sampled_from(["float32", "float64", "bfloat16"]),
    st.integers(1, 300),
    st.integers(0, 2**32 - 1),
    st.floats(1e-6, 10),
    st.none() | st.integers(1, 64),
    st.sampled_from([0.0, 1.0]),
)
def test_every_setting_comes_back(
    cell: Any, normalise: Any, precision: Any, hidden: int, seed: int, rate: float, pieces: int | None, bias: float
) -> None:
    is_made_again(
        replace(
            USUAL,
            data=replace(USUAL.data, normalise=normalise),
            model=ModelConfig(cell=cell, hidden=hidden, forget_bias=bias),
            training=TrainingConfig(seed=seed, learning_rate=rate, start_from="runs/other"),
            execution=ExecutionConfig(
                device="cpu", precision=precision, threads=2, micro_batch=pieces, segment=pieces, memory=6 << 30
            ),
        )
    )


@pytest.mark.parametrize("ways", [["recurrence"], ["overlap"], ["bare-resume", "mean-shift"], ["forget-bias"]])
def test_the_ways_of_2016_come_back(ways: list[Any]) -> None:
    is_made_again(switch_on(USUAL, ways))


def test_the_reference_form_comes_back() -> None:
    is_made_again(replace(USUAL, execution=ExecutionConfig(form="reference", micro_batch=3)))


def test_so_does_what_is_yes_or_no() -> None:
    is_made_again(replace(USUAL, execution=replace(USUAL.execution, deterministic=True)))
