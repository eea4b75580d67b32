"""Training a run from its first update to its last, however often it is stopped on the way."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from longsong.config import RunConfig, whole
from longsong.errors import ConfigError
from longsong.files import os_errors_named
from longsong.model import Network
from longsong.progress import Progress
from longsong.space import require_space
from longsong.training.checkpoint_files import has_checkpoint
from longsong.training.determinism import determined
from longsong.training.device import DTYPES, available_threads
from longsong.training.plan import Plan, bytes_on_disk, plan_of
from longsong.training.preparation import initial_parameters, record_of, verify_song, work_of
from longsong.training.profiling import UpdateProfile, format_profile
from longsong.training.ranks import ALONE, Ranks
from longsong.training.record import RunRecord, read_record, read_summary
from longsong.training.run_lock import only_here
from longsong.training.splits import Splits
from longsong.training.trainer import Trainer
from longsong.units import human_bytes

__all__ = ["train"]


def train(
    config: RunConfig,
    *,
    command: Sequence[str] = (),
    quiet: bool = False,
    label: str = "training",
    profile: bool = False,
    on_epoch: Callable[[int], object] | None = None,
    ranks: Ranks = ALONE,
    keep_checkpoints: int = 1,
) -> Path:
    """Train a run, or go on with it where it stopped; nothing is done where it is complete.

    Parameters
    ----------
    config : RunConfig
        What the run is to be.
    command : sequence of str
        The words of the command that asks for it, for ``config.json``.
    quiet : bool
        Report no progress.
    label : str
        What the progress is called.
    profile : bool
        Print to standard error where the time of the updates went, once they are made or interrupted. The numbers
        of the run stay the same.
    on_epoch : callable, optional
        Called after each epoch with the number of those that are complete, once its checkpoint is on the disk.
    ranks : Ranks
        The processes that share each mini-batch, all of which call this alike; the first of them writes. How many there
        are may differ from one start of a run to the next.
    keep_checkpoints : int
        How many of the newest checkpoints stay while it trains: where one is damaged, the run can go on from the one
        before. Of a run that is complete the last one stays.

    Returns
    -------
    Path
        The run's folder (``docs/formats.md``).

    Raises
    ------
    longsong.errors.LongsongError, streams.StreamsError
        The configuration, the song, the device, the disk or an earlier checkpoint cannot be used; a cost
        is not finite.
    KeyboardInterrupt
        Stopped by the user, after a checkpoint.
    """
    whole("keep-checkpoints", keep_checkpoints)
    if not ranks.first:
        ranks.wait()  # until the first has begun the run
        return _follow(config, ranks)
    with ranks.leading():
        return _lead(config, command, quiet, label, profile, on_epoch, ranks, keep_checkpoints)


def _lead(
    config: RunConfig,
    command: Sequence[str],
    quiet: bool,
    label: str,
    profile: bool,
    on_epoch: Callable[[int], object] | None,
    ranks: Ranks,
    keep: int,
) -> Path:
    """Begin the run, or go on with it, as the process that writes."""
    run = config.folder
    fetching = _Fetching()
    splits = Splits.open(config.shards, config.data, config.cache, fetching.tell)
    network = Network(config.model, config.data.frame)
    if ranks.size > 1 and config.model.recurrence == "batch":
        raise ConfigError(
            f"the recurrence is over the mini-batch (D01), whose examples depend on each other, and {ranks.size} "
            "processes would share them; train with one"
        )
    record = record_of(config, splits, network, command, ranks)
    if read_summary(run) is not None:
        ranks.go_on()
        return run
    plan = _plan(record, network, splits, ranks)
    new = not has_checkpoint(run / "checkpoints")
    if new:
        if config.training.start_from is not None:
            initial_parameters(record, network)  # refused here, before anything is written
        # Now, and not only when a sample is read that was altered: a new run begins on a whole song, or not at all.
        # What comes from elsewhere is compared when it arrives.
        if not splits.song.fetches:
            verify_song(splits.song, ranks, quiet=quiet)
        itemsize = DTYPES[record.execution.precision].itemsize
        updates = record.training.epochs * record.counts["updates_per_epoch"]
        require_space(run, bytes_on_disk(network.size, itemsize, updates, keep))
        with os_errors_named(run):
            run.mkdir(parents=True, exist_ok=True)
    with only_here(run):
        if new:
            record.write(run)
        ranks.go_on()
        seen = UpdateProfile() if profile else None
        training = Trainer(
            run, record, splits, network, plan, seen, on_epoch, ranks, quiet=quiet, label=label, keep=keep
        )
        fetching.progress = training.progress
        try:
            with determined(record.execution):
                training.complete()
        finally:
            device = training.device
            del training  # what is measured now needs memory too
            if device.type == "cuda":  # and so does whoever trains next, beside this process too
                gc.collect()
                torch.cuda.empty_cache()
            if seen is not None and seen.updates:
                print(format_profile(seen, network, record.execution, plan), file=sys.stderr)
    return run


def _follow(config: RunConfig, ranks: Ranks) -> Path:
    """Compute a share of a run that the first rank has begun."""
    run = config.folder
    if read_summary(run) is None:
        splits = Splits.open(config.shards, config.data, config.cache)
        network = Network(config.model, config.data.frame)
        record = read_record(run)
        plan = _plan(record, network, splits, ranks)
        training = Trainer(run, record, splits, network, plan, None, None, ranks, quiet=True, label="")
        with determined(record.execution):
            training.complete()
    return run


def _plan(record: RunRecord, network: Network, splits: Splits, ranks: Ranks) -> Plan:
    """Plan updates for the threads of this process, before anything is held that the plan speaks of."""
    torch.set_num_threads(max(1, (record.execution.threads or available_threads()) // ranks.local_size))
    return plan_of(record.data, network, record.execution, work_of(splits, record.training.epochs))


class _Fetching:
    """Shows which shard is on its way, from whatever thread."""

    progress: Progress | None = None

    def tell(self, name: str, done: int, total: int) -> None:
        if self.progress is not None:
            note = f"fetching {name}, {human_bytes(done)} of {human_bytes(total)}"
            self.progress.update(self.progress.done, note)
