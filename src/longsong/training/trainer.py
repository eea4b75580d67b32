"""One start of a run: updates, checkpoints and evaluations from where it is to its end."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from longsong.errors import NotFiniteError
from longsong.model import Network
from longsong.model.gradient import CostGradient
from longsong.model.profile import section
from longsong.progress import Progress
from longsong.training.checkpoint import Best
from longsong.training.checkpoint_files import remove_older
from longsong.training.device import DTYPES, find_device
from longsong.training.enqueued_updates import updates_of
from longsong.training.evaluation import DevGroups
from longsong.training.feed import TorchBatches, torch_batches
from longsong.training.followers import NoMonitors, NoSaver
from longsong.training.forms import make_gradient
from longsong.training.interrupts import Interrupts, StoppedWaiting
from longsong.training.memory import PeakMemory
from longsong.training.monitors import Monitors
from longsong.training.optimiser import RMSProp
from longsong.training.outlook import outlook
from longsong.training.plan import Plan
from longsong.training.preparation import starting_point
from longsong.training.profiling import UpdateProfile
from longsong.training.ranked import RankedGradient
from longsong.training.ranks import Ranks
from longsong.training.record import RunRecord
from longsong.training.saver import Saver
from longsong.training.splits import Splits
from longsong.training.summary import summarise
from longsong.training.updater import Updater
from longsong.training.updates import ImmediateUpdates, Updates

__all__ = ["Trainer"]

_SECONDS_BETWEEN_CHECKPOINTS = 300.0


@dataclass(frozen=True)
class _Note:
    """What is known of an update before it is made: its examples, and how long they were waited for."""

    indices: NDArray[np.int64]
    waited_seconds: float


class Trainer:
    """One start of a run."""

    def __init__(
        self,
        run: Path,
        record: RunRecord,
        splits: Splits,
        network: Network,
        plan: Plan,
        profile: UpdateProfile | None,
        on_epoch: Callable[[int], object] | None,
        ranks: Ranks,
        *,
        quiet: bool,
        label: str,
        keep: int = 1,
    ) -> None:
        self.profile, self.on_epoch = profile, on_epoch
        self.run, self.record, self.splits, self.network, self.plan = run, record, splits, network, plan
        self.device = find_device(record.execution.device)
        self.peak = PeakMemory(self.device)
        self.dtype = DTYPES[record.execution.precision]
        self.ranks = ranks
        self.train_stream = splits.train_stream(record.training.seed, ranks)
        self.dev_stream = splits.dev_stream(ranks)
        self.train_batches = torch_batches(self.train_stream, self.device, self.dtype)
        self.dev_groups = None if self.dev_stream is None else DevGroups(self.dev_stream, self.device, self.dtype)
        self.total = record.training.epochs * record.counts["updates_per_epoch"]
        self.progress = Progress(label, self.total, "updates", quiet=quiet)
        self.at = starting_point(run, record, splits, network)
        self.begun_at = self.at.update
        if self.at.train_stream:
            self.train_stream.load_state_dict(self.at.train_stream)
            if self.dev_stream is not None:
                self.dev_stream.load_state_dict(self.at.dev_stream)
        self.optimiser = RMSProp(
            self.at.mean_square.to(self.device, self.dtype),
            learning_rate=self.at.learning_rate,
            decay=record.training.rmsprop_decay,
            step_clip=record.training.step_clip,
        )
        self.updater = Updater(
            network,
            self.at.parameters.to(self.device, self.dtype, copy=True),
            self.optimiser,
            self._form(profile),
            profile,
        )
        self.updates = self._updates(profile)
        self.begun = self.at.update  # updates, whether or not they are made
        self.notes: deque[_Note] = deque()
        writer = Saver if ranks.first else NoSaver
        self.saver = writer(run / "checkpoints", network, self.at.best.sha256, keep)
        self.seconds_before, self.started = self.at.training_seconds, time.monotonic()
        self.saved = time.monotonic()

    def _form(self, profile: UpdateProfile | None) -> CostGradient:
        form = make_gradient(self.network, self.record.execution, profile)
        if self.ranks.size == 1:
            return form
        self.ranked = RankedGradient(form, self.ranks, lambda: self.interrupted.is_set(), profile)
        return self.ranked

    def _updates(self, profile: UpdateProfile | None) -> Updates:
        # Where the time of a section goes is known only of what was waited for.
        return ImmediateUpdates(self.updater) if profile is not None else updates_of(self.updater, self.progress.say)

    def complete(self) -> None:
        """Make all updates that are left, and write the summary."""
        at = self.at
        at.starts += 1
        monitors = Monitors if self.ranks.first else NoMonitors
        with (
            monitors(self.run, at.metrics_bytes, at.update, at.metrics_sha256) as self.monitors,
            self.progress as progress,
            Interrupts(quiet=not self.ranks.first) as self.interrupted,
        ):
            self._say_outlook()
            if self.dev_stream is None:
                progress.say(f"{self.run}: the dev split holds no example, so the last parameters are the best")
            if at.update:
                progress.begin_at(at.update)
            try:
                if not at.train_stream:  # nothing was saved yet
                    with self._stopped_at_once():
                        self._evaluate()
                    self._save()
                    self.saver.wait()
                if self.profile is not None:
                    self.profile.begin()
                while at.epoch < self.record.training.epochs:
                    self._epoch()
            except NotFiniteError as error:
                training = self.record.training
                kept = "; the last good checkpoint is kept" if at.train_stream else ""
                raise NotFiniteError(
                    f"{self.run}: {error}, after update {at.update} of {self.total} (epoch {at.epoch + 1}){kept}. "
                    f"Try another --out with a smaller --learning-rate, --step-clip or "
                    f"--init-width (now {training.learning_rate:g}, {training.step_clip:g} and "
                    f"{self.record.model.init_width:g})"
                ) from error
            finally:
                at.best = replace(at.best, sha256=self.saver.wait())
            self.monitors.synced_bytes()
            if not self.ranks.first:
                return
            peak = self.peak.bytes() if at.update > self.begun_at else None  # of a start that did something
            remove_older(self.run / "checkpoints", 1)  # before the summary, by which the run counts as complete
            summarise(self.run, self.record, self.network, self.splits, at, self.plan.bytes, peak)
            if self.interrupted.is_set():  # in the last update, or after it
                raise KeyboardInterrupt(f"{self.run} is complete; stopped there")

    def _say_outlook(self) -> None:
        """Say what updates will take, and how they are computed, if anybody listens."""
        if self.progress.quiet or self.ranks.size > 1:  # it would compute a mini-batch that the others do not
            return
        for line in outlook(self.updater, self.record.execution, self.plan, self.total):
            self.progress.say(line)

    def _epoch(self) -> None:
        at, record = self.at, self.record
        stream, per_epoch = self.train_stream, record.counts["updates_per_epoch"]
        waited = stream.waited_seconds
        self.updates.begin_epoch()
        wholes: Iterator[NDArray[np.int64]] | None = None
        for inputs, targets in self._awaited(self.train_batches):
            if self.ranks.size > 1 and wholes is None:
                wholes = iter(stream.scheme.mini_batches(stream.epoch, stream.position - 1))
            indices = stream.indices if wholes is None else next(wholes)
            if self.dev_groups is not None and (self.begun + 1) % per_epoch == 0:
                self.dev_groups.begin()
            self.notes.append(_Note(indices, stream.waited_seconds - waited))
            waited = stream.waited_seconds
            self.updates.begin(inputs, targets)
            self.begun += 1
            # So that its memory is free for the next: the loop's own names would hold it until that is there.
            del inputs, targets
            self._record(wait=False)
            self.saver.check()
            if self.profile is not None:
                self.profile.count(len(stream.indices))
            if self.begun % per_epoch:
                # Not after the last update of an epoch: the checkpoint at its end follows at once.
                self._stop_if_interrupted()
                if time.monotonic() - self.saved >= _SECONDS_BETWEEN_CHECKPOINTS:
                    self._save()
        self._record(wait=True)
        self.optimiser.learning_rate *= record.training.lr_decay
        if not math.isfinite(self.optimiser.learning_rate):
            raise NotFiniteError(f"the learning rate is {self.optimiser.learning_rate}")
        at.epoch += 1
        self._save(best=self._evaluate())
        if self.on_epoch is not None:
            self.saver.wait()
            self.on_epoch(at.epoch)
        if at.epoch < record.training.epochs:
            self._stop_if_interrupted()

    def _record(self, *, wait: bool) -> None:
        """Write down the updates that are made; with `wait` all that were begun."""
        at, record = self.at, self.record
        for made in self.updates.finished(wait=wait):
            note = self.notes.popleft()
            at.update += 1
            self.monitors.update(
                update=at.update,
                epoch=at.epoch + 1,
                indices=note.indices,
                cost=made.cost,
                step=made.step,
                learning_rate=self.optimiser.learning_rate,
                seconds=made.seconds,
                # Where updates are not waited for, mini-batches are: beside updates, and that costs nothing.
                waited_seconds=min(note.waited_seconds, made.seconds - made.computed_seconds),
                computed_seconds=made.computed_seconds,
            )
            speed = len(note.indices) * record.data.frame * record.data.seq / made.seconds
            self.progress.update(
                at.update,
                f"epoch {at.epoch + 1} of {record.training.epochs}, cost {made.cost:.5f}, "
                f"{speed / 1e6:.2f} M samples/s, waiting for data {self.monitors.waiting_share:.1%}",
                cost=made.cost,
            )

    def _evaluate(self) -> bool:
        """Record the dev cost; says whether the parameters are the best after an epoch so far (FACTS section 4)."""
        at = self.at
        cost, batches = None, 0
        if self.dev_groups is not None:
            with nullcontext() if self.profile is None else self.profile.evaluation():
                cost, batches = self.updater.evaluate(self.dev_groups)
        before = at.best.dev_cost
        # Where there is no dev example, the last are the best.
        best = at.epoch > 0 and (cost is None or before is None or cost < before)
        if best:
            at.best = Best(at.epoch, cost)
        self.monitors.dev(
            epoch=at.epoch,
            update=at.update,
            cost=cost,
            batches=batches,
            examples=self.record.counts["dev_examples"],
            best=best,
        )
        return best

    def _save(self, *, best: bool = False) -> None:
        with section(self.profile, "checkpoint"):
            self._save_now(best=best)

    def _save_now(self, *, best: bool) -> None:
        self._record(wait=True)
        at = self.at
        at.parameters = self.updater.parameters.detach()
        at.mean_square = self.optimiser.mean_square
        at.learning_rate = self.optimiser.learning_rate
        at.train_stream = self.train_stream.state_dict()
        at.dev_stream = {} if self.dev_stream is None else self.dev_stream.state_dict()
        at.metrics_bytes = self.monitors.synced_bytes()
        at.metrics_sha256 = self.monitors.sha256
        at.training_seconds = self.seconds_before + time.monotonic() - self.started
        self.saver.save(at, best=best)
        self.saved = time.monotonic()

    def _stop_if_interrupted(self) -> None:
        # Ranks stop together, after the same update, whichever of them was asked.
        if self.interrupted.is_set() if self.ranks.size == 1 else self.ranked.stopped:
            self._save()
            self._stop()

    def _stopped_at_once(self) -> AbstractContextManager[None]:
        """Give a block in which nothing is waited for but data; ranks end no such block apart."""
        return self.interrupted.while_waiting() if self.ranks.size == 1 else nullcontext()

    def _stop(self) -> NoReturn:
        raise KeyboardInterrupt(
            f"stopped after update {self.at.update} of {self.total}; the same command goes on from there"
        )

    def _awaited(self, batches: TorchBatches) -> Iterator[Any]:
        """Give the mini-batches of an epoch; while one is waited for, Ctrl-C stops at once, and exactly here."""
        stream, iterator = self.train_stream, iter(batches)
        first = True
        while True:
            # An interrupt may come when a mini-batch has left the stream and has not reached us.
            before = {"epoch": stream.epoch, "position": stream.position}
            # None is waited for behind the last: what ends an epoch is one piece.
            may_stop = first or stream.position < len(stream.scheme)
            try:
                with section(self.profile, "data"), self._stopped_at_once() if may_stop else nullcontext():
                    batch = next(iterator, None)
            except StoppedWaiting:
                stream.load_state_dict(stream.state_dict() | before)
                if self.at.train_stream:
                    self._save()
                self._stop()
            if batch is None:
                return
            first = False
            yield batch
            del batch
