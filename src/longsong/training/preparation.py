"""Before the first update: what a run is to be, and what it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from longsong.config import ExecutionConfig, RunConfig
from longsong.errors import CheckpointError, ConfigError, RunError
from longsong.files import is_part
from longsong.model import Network
from longsong.progress import Progress
from longsong.training.checkpoint import Checkpoint, load_best, load_latest
from longsong.training.checkpoint_files import checkpoint_folders, has_checkpoint, read_best_record, read_state
from longsong.training.device import available_threads, device_name, find_device, require_precision
from longsong.training.footprint import Work
from longsong.training.forms import choose_elementwise, require_form
from longsong.training.plan import choose_memory, make_plan
from longsong.training.ranks import ALONE, Ranks
from longsong.training.record import LOG, RunRecord, read_record, read_summary
from longsong.training.splits import Splits
from longsong.units import human_bytes
from longsong.version import __version__, source_commit
from streams import Song

__all__ = ["initial_parameters", "record_of", "starting_point", "verify_song", "work_of"]


def record_of(
    config: RunConfig, splits: Splits, network: Network, command: Sequence[str], ranks: Ranks = ALONE
) -> RunRecord:
    """Give the record of a run: as it stands in its folder, if it was started, else a new one.

    What the user left open (device, threads, memory, pieces, how the element-wise work is done) is chosen here, at
    the first start, and kept.

    Parameters
    ----------
    config : RunConfig
        What is asked for.
    splits : Splits
    network : Network
    command : sequence of str
        The words of the command.
    ranks : Ranks
        The processes that are to share it.

    Raises
    ------
    CheckpointError
        The folder holds a run of another song or configuration, or one that was computed in another way.
    RunError
        The folder holds something else.
    DeviceError
        The device is not there.
    ConfigError
        More memory is asked for than there is, or the form that it is or was computed by cannot be had here.
    SpaceError
        Not even the smallest pieces fit in memory.
    """
    asked = RunRecord(
        song=splits.song_record(config.shards),
        data=splits.data,
        counts=splits.counts,
        model=config.model,
        training=config.training,
        parameters=network.size,
        execution=config.execution,
        machine={},
        made_by={"longsong": __version__, "commit": source_commit(), "command": list(command)},
    )
    run = config.folder
    if (run / "config.json").exists():
        record = read_record(run)
        # Before its first checkpoint a run has computed nothing that could be lost: it may become another one.
        if has_checkpoint(run / "checkpoints"):
            record.refuse_another(asked, run)
            _refuse_other_execution(record.execution, config, run)
            require_form(record.execution, find_device(record.execution.device), run)
            return record
    elif run.exists() and (not run.is_dir() or any(path.name != LOG and not is_part(path) for path in run.iterdir())):
        raise RunError(f"{run} is not empty and holds no run; give another --out")
    device = find_device(config.execution.device)
    require_precision(config.execution.precision, device)
    work = work_of(splits, config.training.epochs)
    execution = replace(
        config.execution,
        device="cuda" if device.type == "cuda" else "cpu",
        threads=config.execution.threads or available_threads(),
        elementwise=choose_elementwise(config.execution, device, work.steps(splits.data, config.model)),
    )
    memory = choose_memory(config.execution.memory, device)
    if config.execution.memory is None and device.type == "cpu":
        memory //= ranks.local_size  # which all take some of what is free here
    plan = make_plan(splits.data, network, execution, work, device, memory)
    execution = replace(
        execution,
        memory=memory,
        micro_batch=plan.micro_batch,
        segment=plan.segment if execution.form == "fused" else None,
    )
    machine = {"device_name": device_name(device), "torch": torch.__version__}
    return replace(asked, execution=execution, machine=machine)


def verify_song(song: Song, ranks: Ranks, *, quiet: bool) -> None:
    """Compare all of the song with its index, however long that takes, while the other ranks wait.

    Raises
    ------
    streams.StreamsError
        What is altered, by name.
    """
    with Progress("verifying the song", len(song), "samples", quiet=quiet) as progress:

        def compared(samples: int) -> None:
            progress.update(samples)
            ranks.keep_waiting()

        song.verify(compared)


def work_of(splits: Splits, epochs: int) -> Work:
    """Give what a run computes, as far as its memory depends on it."""
    return Work(len(splits.train), len(splits.dev), epochs, len(splits.song))


def _refuse_other_execution(kept: ExecutionConfig, config: RunConfig, run: Path) -> None:
    """Raise where the user asks for another way of computing than the run was started with."""
    default = ExecutionConfig()
    for name in (field.name for field in fields(ExecutionConfig)):
        was, value = getattr(kept, name), getattr(config.execution, name)
        asked = name in config.given or value != getattr(default, name)
        if asked and value != was:
            said = human_bytes if name == "memory" and was is not None else str
            option = "recurrence" if name == "form" else name.replace("_", "-")
            raise CheckpointError(
                f"{run} was started with {option} {said(was)}, and {said(value)} is asked for; "
                "go on without that option, or give another --out"
            )


def initial_parameters(record: RunRecord, network: Network) -> Tensor:
    """Draw the parameters before the first update, or take another run's best ones.

    Returns
    -------
    Tensor, shape (network.size,)

    Raises
    ------
    ConfigError
        The other run is of another shape, or there is a bias to begin with that its parameters would not have.
    RunError
        There is no such run, or its parameters are cut short or altered.
    """
    source = record.training.start_from
    if source is None:
        return network.initial_parameters(record.training.seed)
    if record.model.forget_bias:
        raise ConfigError(
            f"forget-bias is {record.model.forget_bias:g}, which new parameters begin with, and these are to be those "
            f"of {source}; give one of the two"
        )
    other = read_record(Path(source))
    if (other.model.cell, other.model.hidden, other.model.layers, other.data.frame) != (
        record.model.cell,
        record.model.hidden,
        record.model.layers,
        record.data.frame,
    ):
        raise ConfigError(
            f"start-from {source} is a run of {other.model.layers} {other.model.cell} layers of {other.model.hidden} "
            f"with frames of {other.data.frame}; its parameters fit no other shape, give the same --cell, --hidden, "
            "--layers and --frame"
        )
    return load_best(Path(source), network, _best_sha256(Path(source)))


def _best_sha256(run: Path) -> str | None:
    """Give the digest of a run's best parameters, whether it is complete or not; None where nothing says it."""
    summary, record = read_summary(run), read_best_record(run / "checkpoints")
    if summary is not None:
        return str(summary["best"]["sha256"])
    if record is not None:
        return str(record["sha256"])
    folders = checkpoint_folders(run / "checkpoints")
    return str(read_state(folders[-1])["best"]["sha256"]) if folders else None


def starting_point(run: Path, record: RunRecord, splits: Splits, network: Network) -> Checkpoint:
    """Give the checkpoint that a run goes on from, or one before the first update.

    Raises
    ------
    CheckpointError
        It is of another song, cut short or altered.
    """
    training = record.training
    latest = load_latest(run / "checkpoints", network)
    if latest is None:
        return Checkpoint(
            song_digest=splits.song.digest,
            parameters=initial_parameters(record, network),
            mean_square=torch.zeros(network.size, dtype=torch.float64),
            learning_rate=training.learning_rate,
            starts=0,
        )
    if latest.song_digest != splits.song.digest:
        here = f"{splits.song.digest[:12]}… as {splits.song.where}"
        raise CheckpointError(
            f"{run} holds a checkpoint of another song ({latest.song_digest[:12]}…, not {here}); give that "
            "song's shards or another --out"
        )
    if training.bare_resume:
        latest.mean_square = torch.zeros_like(latest.mean_square)
        latest.learning_rate = training.learning_rate
    return latest
