"""One run seen again by hand: ``python -m longsong.audit.again cost|order|update|sound RUN``.

Prints the numbers that the audit's rows rest on, each beside what the run says, and no verdict. `claims.toml` gives
these commands; what needs no computing is shown there by `grep` and the like.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from longsong.audit.bounds import load_evidence
from longsong.audit.evidence import Evidence
from longsong.audit.one_thread import one_thread
from longsong.audit.replay import predictions_due, replay
from longsong.audit.revaluate import fuel_order
from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["main"]

Lines = Iterator[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was asked for; gives the exit status: 0, or 2 where the run cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m longsong.audit.again", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=_SHOWN)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a complete run")
    a = parser.parse_args(argv)
    try:
        folder = a.run.resolve()
        evidence = load_evidence(folder.parent)
        run = next((run for run in evidence.complete if run.name == folder.name), None)
        if run is None:
            raise RunError(f"{a.run} is no complete run; give the folder of one, with a summary.json in it")
        with one_thread():
            for line in _SHOWN[a.what](evidence, run):
                print(line)
    except RunError as error:
        print(f"longsong: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on: say nothing more
        return 1
    return 0


def _cost(evidence: Evidence, run: Run) -> Lines:
    """Show the best dev cost by axis, by target, and beside predictions that need no network."""
    found = evidence.dev_cost(run)
    yield f"reported after epoch {found.epoch}   {found.reported:.9g}"
    own, seq = run.of("model.recurrence"), run.of("data.seq")
    yield f"computed again as configured, the state over {own}:"
    for offset, value in sorted(found.computed.items()):
        away = found.reported / value - 1
        yield f"  target {offset} frames later     {value:.9g}   reported / computed - 1 = {away:+.2e}"
    for name in ("first", "last"):
        other = evidence.dev_cost_at(run, name)
        away = other.reported / other.computed[1] - 1
        yield (
            f"{name} one, after epoch {other.epoch}: reported {other.reported:.9g}, computed again "
            f"{other.computed[1]:.9g}   reported / computed - 1 = {away:+.2e}"
        )
    ways = [("state over the other axis", *evidence.otherwise(run)[0])]
    ways += [
        (f"state begun anew after {span} of {seq} frames", axis, span) for axis, span in evidence.otherwise(run)[1:]
    ]
    for name, axis, span in ways:
        value = evidence.dev_cost_otherwise(run, axis, span).computed[1]
        yield f"{name}: {value:.9g}   reported / computed - 1 = {found.reported / value - 1:+.2e}"
    trivial = evidence.trivial(run)
    costs = {
        "predicting zero": trivial.zero,
        "predicting the mean": trivial.mean,
        "repeating the last frame": trivial.repeat,
    }
    for name, value in costs.items():
        yield f"{name}: {value:.9g}   reported / computed = {found.reported / value:.4f}"


def _order(evidence: Evidence, run: Run) -> Lines:
    """Show how many mini-batches are Fuel's."""
    order = fuel_order(
        run.of("data.train_examples"), run.of("data.batch"), run.of("training.seed"), run.of("training.epochs")
    )
    lines = run.metrics.updates
    same = sum(
        digest.tobytes() == hashlib.sha256(due.astype("<i8").tobytes()).digest()
        for digest, due in zip(run.metrics.indices, order, strict=False)
    )
    sizes = np.unique(lines.column("examples")).tolist()
    yield f"{len(lines)} updates of {' and '.join(map(str, sizes))} examples; {len(order)} are due"
    yield f"{same} of {len(order)} have the indices of Fuel's shuffled scheme, seed {run.of('training.seed')}"


def _update(evidence: Evidence, run: Run) -> Lines:
    """Show the first update beside the one computed again from seed and song."""
    found, lines = evidence.first_update(run), run.metrics.updates
    step = found.step
    rows = [
        ("train cost of update 1", lines[0]["train_cost"], found.cost),
        ("gradient norm", lines[0]["gradient_norm"], step.gradient_norm),
        ("step norm before clipping", lines[0]["step_norm_unclipped"], step.unclipped),
        ("step norm", lines[0]["step_norm"], step.norm),
        ("share at RMSProp's floor", lines[0]["floor_share"], step.floor_share),
    ]
    if found.next_cost is not None and len(lines) > 1:
        rows.append(("train cost of update 2", lines[1]["train_cost"], found.next_cost))
    yield f"{'':<28}{'reported':>16}{'computed again':>16}"
    for name, reported, due in rows:
        yield f"{name:<28}{reported:>16.9g}{due:>16.9g}"


def _sound(evidence: Evidence, run: Run) -> Lines:
    """Show where the first predictions stand in the wav, and what of seed and song does."""
    seed, found, wav = evidence.seed(run), evidence.regenerated(run), run.wav
    yield f"{wav.samples} samples at {wav.sample_rate} Hz: {wav.seconds:g} s, from {wav.data.min()} to {wav.data.max()}"
    yield f"samples of the seed at its start: {seed.left}; correlation with the seed: {seed.similarity:+.4f}"
    yield f"the first prediction stands in it as: {found.join}, multiplied by {found.gain:.4f}"
    fed = f"fed back: {found.feedback}, to {found.largest:.2f} levels"
    yield f"predictions that follow each other: {found.followed}, {fed}"
    yield f"second prediction: {found.next_away:.2f} levels away as it is, {found.turned_away:.2f} turned upside down"
    if found.join == "last-frame" and found.feedback == "plain":
        whole = replay(run, seed, found, predictions_due(run, seed))
        then = f"; the next is {whole.away:.2f} away" if whole.followed < whole.due else ""
        rounded = ", as rounding decides" if whole.rounded_off else ""
        yield (
            f"predictions, each computed from the one before: {whole.followed} of {whole.due} stand in it, to "
            f"{whole.largest:.2f} levels{then}{rounded}"
        )
    shared = evidence.shared(run)
    yield f"longest run that it shares with the song: {shared.samples} samples"


_SHOWN: dict[str, Callable[[Evidence, Run], Lines]] = {
    "cost": _cost,
    "order": _order,
    "update": _update,
    "sound": _sound,
}

if __name__ == "__main__":
    sys.exit(main())
