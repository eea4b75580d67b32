"""What `longsong generate --as-coded` makes is told from what is merely wrong: each way by its own row."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import copy

import longsong
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.audit import audit
from longsong.config import Switch
from longsong.generated import write_generated
from longsong.generating import Generating
from longsong.switches import deviations_of


@pytest.fixture(scope="module")
def trained(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with more than 400 train examples; its best parameters are hardly better than its first."""
    config = RunConfig(
        shards=song,
        data=DataConfig(frame=160, seq=3),
        model=ModelConfig(hidden=12, init_width=0.15),
        training=TrainingConfig(epochs=1),
        execution=ExecutionConfig(device="cpu", threads=1),
        out=tmp_path_factory.mktemp("trained") / "short",
    )
    return longsong.train(config, quiet=True)


@pytest.mark.parametrize(
    "switches",
    [*((one.name,) for one in deviations_of("generating")), ("untrained", "stretch"), ("upside-down", "stretch")],
    ids=",".join,
)
def test_each_way_of_2016_is_told(switches: tuple[Switch, ...], trained: Path, tmp_path: Path) -> None:
    run = longsong.load_run(copy(trained, tmp_path / "runs" / "short"))
    how = Generating(as_coded=switches)
    (made,) = run.generate_many([run.seed_for(how)], how)
    write_generated(made, run.folder / "generated.wav")
    found = audit(run.folder.parent)
    ways = {one.id: found.row(one.id) for one in deviations_of("generating")}
    on = {one.id for one in deviations_of("generating") if one.name in switches}
    assert {id for id, row in ways.items() if row.verdict == "reproduced"} == on
    assert not [id for id, row in ways.items() if "neither as described" in row.text]
