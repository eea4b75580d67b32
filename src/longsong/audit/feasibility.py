"""What each of the post's configurations takes: examples, song, memory and time, estimated before and measured after.

The 35 configurations of P03 by P04, each of both widths of P10. What does not fit is said in numbers: how long a song
it needs, and how many bytes one mini-batch takes whose states are all kept.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from longsong.audit.evidence import Evidence
from longsong.audit.grid import song_lengths
from longsong.audit.network import expected_shapes
from longsong.audit.run import Run
from longsong.audit.song import examples_that_fit
from longsong.reported import BATCH, EPOCHS, LAYERS, post_configurations
from streams import train_samples

__all__ = ["Feasibility", "bytes_of_mini_batch", "feasibility", "samples_needed"]

_FLOAT32 = 4
_VECTORS = 4
"""Of the length of all parameters: they, their gradient, RMSProp's mean squares, the step."""
_STATES = 5
"""Numbers that back-propagation needs for each GRU, example and step: state, two gates, candidate, input (FACTS 4)."""
_FRAMES = 2
"""Numbers for each sample of a mini-batch: its input, which is the target a frame later, and the prediction's error."""


@dataclass(frozen=True)
class Feasibility:
    """One configuration of the post, on the song of the runs.

    Attributes
    ----------
    frame, seq, hidden : int
        Samples, frames, units in each layer.
    train_examples, dev_examples, updates_per_epoch, updates : int
        That fit the song without overlap; in an epoch, and in all 30.
    samples_for_training, samples_for_dev : int
        The shortest song with one train example, and with one dev example too, split as in 2016.
    seconds_for_training, seconds_for_dev : float
        The same in seconds, at the song's rate.
    parameters : int
    bytes_kept : int
        Of an update that keeps all states of its mini-batch, in float32, by the equations: what it takes where nothing
        is computed twice.
    estimated_bytes, estimated_seconds : float or None
        Before its updates, by ``summary.json``, and before the run, by ``grid.json``; None where these have none.
    allowed_bytes : int or None
        What the run was planned to stay below, by its ``config.json``.
    measured_bytes, measured_seconds : float or None
        After the run, by its ``summary.json``: the peak of its memory, and its training; None where that has none.
    updates_made : int or None
    run : str or None
        The run that this was measured on.
    state : {'run', 'left', 'does not fit', 'failed'}
        Run, if a complete run has it.
    reason : str
        Why there is no run, in numbers; empty where there is one.
    """

    frame: int
    seq: int
    hidden: int
    train_examples: int
    dev_examples: int
    updates_per_epoch: int
    updates: int
    samples_for_training: int
    samples_for_dev: int
    seconds_for_training: float
    seconds_for_dev: float
    parameters: int
    bytes_kept: int
    estimated_bytes: float | None
    estimated_seconds: float | None
    allowed_bytes: int | None
    measured_bytes: float | None
    measured_seconds: float | None
    updates_made: int | None
    run: str | None
    state: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Give everything as values that JSON holds."""
        return asdict(self)


def feasibility(evidence: Evidence) -> tuple[Feasibility, ...]:
    """Lay out all configurations of the post; nothing where neither a run nor ``grid.json`` names a song."""
    length, train, rate = song_lengths(evidence)
    if not length:
        return ()
    planned = {
        (entry["frame"], entry["seq"], entry["hidden"]): entry
        for entry in (evidence.grid or {"runs": []})["runs"]
        if entry["cell"] == "gru" and entry["set"] == "post" and entry["group"] == "grid"
    }
    runs: dict[tuple[int, int, int], Run] = {}
    for run in sorted(evidence.described, key=lambda run: run.of("training.seed"), reverse=True):
        if run.of("model.cell") == "gru" and run.of("model.recurrence") == "time":
            runs[run.of("data.frame"), run.of("data.seq"), run.of("model.hidden")] = run
    found = []
    for one in post_configurations():
        key = (one.frame, one.seq, one.hidden)
        found.append(_feasible(key, length, train, rate, planned.get(key, {}), runs.get(key)))
    return tuple(found)


def _feasible(
    key: tuple[int, int, int], length: int, train: int, rate: int, entry: dict[str, Any], run: Run | None
) -> Feasibility:
    frame, seq, hidden = key
    examples = examples_that_fit(frame, seq, 0, train, length)
    updates = -(-examples // BATCH)
    shapes = expected_shapes("gru", frame, hidden, LAYERS)
    parameters = sum(_size(shape) for shape in shapes.values())
    for_training, for_dev = samples_needed(frame, seq), samples_needed(frame, seq, dev=True)
    summary = run.summary if run is not None else {}
    state, reason = "run", ""
    if run is None:
        said = str(entry.get("state") or "")
        state = "does not fit" if not examples or said == "does not fit" else "failed" if said == "failed" else "left"
        reason = str(entry.get("reason") or "")
        if not examples:
            reason = f"one example needs a song of {for_training:,} samples, and this one has {length:,}"
    return Feasibility(
        frame=frame,
        seq=seq,
        hidden=hidden,
        train_examples=examples,
        dev_examples=examples_that_fit(frame, seq, train, length, length),
        updates_per_epoch=updates,
        updates=EPOCHS * updates,
        samples_for_training=for_training,
        samples_for_dev=for_dev,
        seconds_for_training=for_training / rate,
        seconds_for_dev=for_dev / rate,
        parameters=parameters,
        bytes_kept=bytes_of_mini_batch(frame, seq, hidden, parameters, min(BATCH, max(1, examples))),
        estimated_bytes=_number(summary.get("estimated_bytes")),
        estimated_seconds=_number(entry.get("estimated_seconds")),
        allowed_bytes=None if run is None else run.config["execution"].get("memory"),
        measured_bytes=_number(summary.get("peak_bytes")),
        measured_seconds=_number(summary.get("training_seconds")),
        updates_made=summary.get("updates"),
        run=None if run is None else run.name,
        state=state,
        reason=reason,
    )


def samples_needed(frame: int, seq: int, *, dev: bool = False) -> int:
    """Give the samples of the shortest song that has a train example, or (`dev`) a dev example as well.

    A train example's inputs lie in the train split and its last target in the song; so do a dev example's in what is
    left (FACTS section 5). The split is that of 2016, rounded down to a sample.
    """

    def fits(length: int) -> bool:
        train = train_samples(length)
        start, stop = (train, length) if dev else (0, train)
        return examples_that_fit(frame, seq, start, stop, length) > 0

    high = frame * (seq + 1)
    while not fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:  # both splits grow with the song, so that what fits once fits in every longer one
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def bytes_of_mini_batch(frame: int, seq: int, hidden: int, parameters: int, rows: int) -> int:
    """Give the bytes of an update of `rows` examples that keeps all it needs for back-propagation, in float32."""
    return _FLOAT32 * (rows * seq * (LAYERS * _STATES * hidden + _FRAMES * frame) + _VECTORS * parameters)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
