"""The estimate of memory, against what autograd holds and against what a process is seen to take."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_song import tune, write_shards

from longsong.config import DataConfig, ModelConfig
from longsong.model import Network, sum_of_squares
from longsong.training.footprint import Work, bytes_per_row
from longsong.units import parse_bytes

SCRIPT = """
import json, sys
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from longsong import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig, train
settings = json.loads(sys.argv[4])
model = ModelConfig(**{"hidden": 256, **settings["model"]})
execution = ExecutionConfig(device="cpu", threads=2, **settings["execution"])
data = DataConfig(**settings["data"])
train(RunConfig(Path(sys.argv[2]), data, model, TrainingConfig(epochs=1), execution, Path(sys.argv[3])))
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak.split()[1]) * 1024)
"""


DEFAULTS = {"data": {"frame": 40, "seq": 200}, "model": {}, "execution": {}}


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> Path:
    """A mini-batch of 40x200, and some dev examples."""
    return write_shards(tmp_path_factory.mktemp("song") / "tune", tune(1_120_000))


@pytest.fixture(scope="module")
def short_song(tmp_path_factory) -> Path:
    """Few updates and few groups of the dev split where frames are of one sample."""
    return write_shards(tmp_path_factory.mktemp("short") / "tune", tune(240_000))


def estimated_and_measured(song: Path, run: Path, **settings) -> tuple[int, int, str]:
    """Train in a process of its own; give what it said before the first update, and its peak of resident memory."""
    path = json.dumps([str(Path("src").resolve()), str(Path().resolve())])
    words = [sys.executable, "-c", SCRIPT, path, str(song), str(run), json.dumps(DEFAULTS | settings)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    (said,) = re.findall(r"this configuration: (.*)", done.stderr)
    return parse_bytes(said.split(",")[0].replace(" ", "")), int(done.stdout), said


@pytest.mark.parametrize(
    ("settings", "pieces"),
    [
        ({"execution": {}}, ""),
        ({"execution": {"elementwise": "compiled"}, "model": {"cell": "lstm"}}, ""),
        ({"execution": {"memory": 450 << 20}}, "micro-batches"),
        ({"execution": {"memory": 450 << 20, "micro_batch": 128}}, "segments"),
        ({"execution": {"form": "reference", "memory": 900 << 20}}, ""),
    ],
)
def test_the_estimate_is_what_is_measured(song, tmp_path, settings, pieces):
    estimate, measured, said = estimated_and_measured(song, tmp_path / "run", **settings)
    assert pieces in said
    assert measured > 350 << 20, "too small to tell"
    assert estimate == pytest.approx(measured, rel=0.25)
    assert measured <= settings["execution"].get("memory", measured)


@pytest.mark.parametrize(
    ("of", "settings"),
    [
        # An update in the smallest pieces, where all that is around it must be as small.
        (
            "song",
            {
                "data": {"frame": 100, "seq": 20, "train_samples": 390_000},
                "model": {"hidden": 1200},
                "execution": {"memory": 796 << 20},
            },
        ),
        # Mini-batches of so many short examples that the dev split's, several at once, are more than an update: three
        # updates, and three groups of eight dev mini-batches.
        (
            "short_song",
            {
                "data": {"frame": 1, "seq": 2, "batch": 4096, "train_samples": 24_576},
                "model": {"hidden": 300},
                "execution": {"memory": 375 << 20},
            },
        ),
    ],
)
def test_a_memory_that_just_suffices_is_kept(request, tmp_path, of, settings):
    song = request.getfixturevalue(of)
    estimate, measured, _ = estimated_and_measured(song, tmp_path / "run", **settings)
    assert measured <= settings["execution"]["memory"]
    assert estimate == pytest.approx(measured, rel=0.25)


def bytes_held(data: DataConfig, model: ModelConfig, rows: int) -> int:
    """Count what the graph of one update's cost keeps alive, each storage once, without the parameters."""
    network = Network(model, data.frame)
    flat = network.initial_parameters(1).float().requires_grad_()
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage
        return tensor

    x = torch.zeros(rows, data.seq, data.frame)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        predictions, _ = network.steps(network.named(flat), network.to_steps(x))
        sum_of_squares(predictions, network.to_steps(x + 1))
    return sum(s.nbytes() for s in storages.values() if s.data_ptr() != flat.untyped_storage().data_ptr())


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize(("frame", "seq", "hidden", "layers"), [(40, 30, 64, 2), (400, 20, 16, 1), (10, 50, 100, 3)])
def test_the_estimate_of_the_reference_form_covers_what_is_held_and_is_not_wild(cell, frame, seq, hidden, layers):
    data, model = DataConfig(frame, seq), ModelConfig(cell=cell, hidden=hidden, layers=layers)
    held, estimate = bytes_held(data, model, 8), 8 * bytes_per_row(data, model, 4)
    # Beside what the graph holds there are the gradients that the backward pass is working on.
    assert held < estimate < 4 * held


def test_rows_and_steps_are_those_of_a_mini_batch_that_there_is():
    data, work = DataConfig(20, 40, batch=10), Work(train=25, dev=3, epochs=4, samples=10**6)
    time, batch = (ModelConfig(hidden=8, recurrence=r) for r in ("time", "batch"))
    assert (work.rows_and_steps(data, time), work.rows_and_steps(data, batch)) == ((10, 40), (40, 10))
    assert (work.steps(data, time), work.steps(data, batch)) == (3 * 4 * 40, 3 * 4 * 10)
    few = Work(train=7, dev=0, epochs=1, samples=10**6)
    assert (few.rows_and_steps(data, time), few.rows_and_steps(data, batch)) == ((7, 40), (40, 7))
    assert bytes_per_row(data, time, 4) == 4 * bytes_per_row(data, batch, 4)
