"""Folders of runs as longsong writes them (docs/formats.md), made without training: the audit's raw material.

The networks are real: random recurrent layers and a readout fitted to the song. Their dev costs and the first
frames of their sounds are computed from their parameters, as many as an audit follows; the rest repeats them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from longsong.audit.first_updates import FirstUpdate, first_update, initial_parameters
from longsong.audit.network import expected_shapes, predict, run_steps
from longsong.audit.one_thread import one_thread
from longsong.audit.replay import last_frames
from longsong.audit.replays import BEGINNING
from longsong.audit.revaluate import Workload
from longsong.audit.run import Run
from longsong.audit.song import SeenSong, examples_that_fit, see_song
from longsong.files import rest_sha256, sha256_of
from longsong.version import __version__
from streams import ShardWriter, ShuffledScheme, Song, train_samples

RATE = 16_000
SAMPLES = 30 * RATE


@dataclass(frozen=True)
class Spec:
    """What is asked of a run; the defaults are the post's."""

    frame: int
    seq: int
    hidden: int = 199
    cell: str = "gru"
    seed: int = 1
    layers: int = 2
    epochs: int = 30
    batch: int = 128
    recurrence: str = "time"
    normalise: str = "minmax"
    offset_shift: float = 0.0  # added to the offset of the normalisation (D12)
    scale_factor: float = 1.0  # of its scale
    target: int = 1  # frames between input and target (P05)
    evaluate_each_update: bool = False  # D11
    cost_factor: float = 1.0  # 1 for a mean (P11)
    group: str = "grid"
    aim: float | None = None  # dev cost to scale the readout to, over that of predicting zero
    hop: int | None = None  # samples from one example to the next (D07)
    train_examples: int | None = None  # said to fit (D08)
    reset_every: int | None = None  # frames after which the state begins anew (P19)
    memoryless: bool = False  # update gates that let nothing of the state before through (P17)
    forget_bias: float = 0.0  # that gates begin with (D06)
    gradient_clip: float | None = None  # norm that gradients are clipped to before RMSProp (P20)
    seconds: float = 1.0  # per update, relative
    init_width: float = 0.04  # P20, as all up to the step clip
    learning_rate: float = 0.002
    lr_decay: float = 0.97
    rmsprop_decay: float = 0.95
    step_clip: float = 1.0
    train_share: float | None = None  # of the song (P05)
    start_from: str | None = None  # a run beside it, whose best parameters are the first ones (P07)
    restarted_after: int = 0  # epochs after which the learning rate began anew (D10)

    @property
    def name(self) -> str:
        return f"{self.frame}x{self.seq}-{self.cell}-{self.hidden}-s{self.seed}"


def write_song(folder: Path, seconds: float = 20.0, seed: int = 3) -> Path:
    """Write shards of a few tones that come and go, off the middle of the range."""
    t = np.arange(round(seconds * RATE)) / RATE
    random = np.random.default_rng(seed)
    song = 300.0 + 30 * random.standard_normal(len(t))
    for pitch, pace in ((220.0, 0.31), (277.2, 0.17), (329.6, 0.23)):
        song += 1800 * np.sin(2 * np.pi * pitch * t) * (1 + np.sin(2 * np.pi * pace * t)) / 2
    made_by = {"longsong": __version__, "command": ["longsong", "shard"]}
    with ShardWriter(folder, sample_rate=RATE, source=[{"name": "tones"}], made_by=made_by, block_samples=2**16) as w:
        w.write(np.clip(np.rint(song), -32768, 32767).astype(np.int16))
    return folder


def write_run(root: Path, shards: Path, spec: Spec) -> Path:
    """Write one complete run with its sound, all digests in order."""
    with one_thread():
        return _Writer(root, Song.open(shards), shards, spec).write()


class _Writer:
    def __init__(self, root: Path, song: Song, shards: Path, spec: Spec) -> None:
        self.folder, self.song, self.spec, self.shards = root / spec.name, song, spec, shards
        self.samples = song[: len(song)]
        self.train = train_samples(len(song)) if spec.train_share is None else int(spec.train_share * len(song))
        low, high = int(self.samples.min()), int(self.samples.max())
        if spec.normalise == "minmax":
            scale, offset = 2 / (high - low), -(high + low) / (high - low)
        else:
            scale, offset = 1 / float(self.samples.std()), 0.0
        self.scale = float(np.float32(spec.scale_factor * scale))
        self.offset = float(np.float32(offset + spec.offset_shift))
        self.normal = self.samples.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)
        self.hop = spec.hop or spec.frame * spec.seq
        fit = examples_that_fit(spec.frame, spec.seq, 0, self.train, len(song), self.hop)
        self.train_examples = spec.train_examples or fit
        self.dev_examples = examples_that_fit(spec.frame, spec.seq, self.train, len(song), len(song), self.hop)
        self.per_epoch = -(-self.train_examples // spec.batch)
        self.config = {
            "format": "longsong.run",
            "version": 1,
            "song": {
                "name": "tones",
                "shards": str(shards),
                "digest": song.digest,
                "samples": len(song),
                "sample_rate": RATE,
                "minimum": low,
                "maximum": high,
                "mean": float(self.samples.mean()),
                "standard_deviation": float(self.samples.std()),
                "scale": self.scale,
                "offset": self.offset,
            },
            "data": {
                "frame": spec.frame,
                "seq": spec.seq,
                "hop": self.hop,
                "batch": spec.batch,
                "normalise": spec.normalise,
                "train_samples": self.train,
                "train_examples": self.train_examples,
                "dev_examples": self.dev_examples,
                "updates_per_epoch": self.per_epoch,
            },
        }

    def write(self) -> Path:
        (self.folder / "checkpoints").mkdir(parents=True)
        self.parameters = self._parameters()
        count = sum(tensor.size for tensor in self.parameters.values())
        spec = self.spec
        self.config |= {
            "model": {
                "cell": spec.cell,
                "hidden": spec.hidden,
                "layers": spec.layers,
                "init_width": spec.init_width,
                "recurrence": spec.recurrence,
                "forget_bias": spec.forget_bias,
                "parameters": count,
            },
            "training": {
                "epochs": spec.epochs,
                "seed": spec.seed,
                "learning_rate": spec.learning_rate,
                "lr_decay": spec.lr_decay,
                "rmsprop_decay": spec.rmsprop_decay,
                "step_clip": spec.step_clip,
                "start_from": spec.start_from,
            },
            "execution": {
                "device": "cpu",
                "device_name": "2 cores",
                "precision": "float32",
                "threads": 2,
                "micro_batch": spec.batch,
                "form": "fused",
                "elementwise": "compiled",
                "segment": spec.seq,
                "memory": 6 << 30,
                "torch": "2.13.0",
            },
            "made_by": {"longsong": __version__, "command": ["longsong", "train"]},
        }
        dump(self.folder / "config.json", self.config)
        self._checkpoint()
        self._metrics(count)
        self._sound()
        return self.folder

    def _parameters(self) -> dict[str, np.ndarray]:
        """Draw a network and fit its readout to the first sequences of the train split."""
        spec = self.spec
        random = np.random.default_rng(spec.seed)
        shapes = expected_shapes(spec.cell, spec.frame, spec.hidden, spec.layers)
        p = {
            name: np.zeros(shape, np.float32)
            if name.endswith((".b", "initial_state", "initial_cells"))
            else random.uniform(-0.12, 0.12, shape).astype(np.float32)
            for name, shape in shapes.items()
        }
        p["input_to_hidden.W"] *= (40 / spec.frame) ** 0.5
        if spec.memoryless:
            for n in range(spec.layers):
                p[f"fork{n}/fork_gates{n}.b"][: spec.hidden] = 60.0  # the update gate: 1, to the last bit of float32
                p[f"gru{n}.state_to_state"][:] = 0
        examples, length = min(self.train_examples, 24), spec.frame * min(spec.seq, 100)
        starts = [i * self.hop for i in range(examples)]
        x = np.stack([self.normal[at : at + length] for at in starts]).reshape(examples, -1, spec.frame)
        shift = spec.frame
        t = np.stack([self.normal[at + shift : at + shift + length] for at in starts]).reshape(x.shape)
        # A readout that gives the state itself shows the states.
        bare = p | {"hidden_to_output.W": np.eye(spec.hidden, dtype=np.float32), "hidden_to_output.b": np.float32(0)}
        axis = 1 if spec.recurrence == "time" else 0
        states = np.stack(list(run_steps(bare, np.moveaxis(x, axis, 0))), axis=axis).reshape(-1, spec.hidden)
        gram = states.T @ states + 0.3 * np.eye(spec.hidden, dtype=np.float32)
        readout = np.linalg.solve(gram, states.T @ t.reshape(-1, spec.frame))
        p["hidden_to_output.W"] = readout.astype(np.float32)
        if spec.aim is not None:
            p["hidden_to_output.W"] *= np.float32(self._gain(p, spec.aim))
        return p

    def _gain(self, p: dict[str, np.ndarray], aim: float) -> float:
        """Give what the readout is multiplied by for a dev cost of `aim` times that of predicting zero."""
        pairs = [self._pair(indices) for indices in self._dev_batches(self.spec.epochs)]
        y = np.concatenate([predict(p, x, self.spec.recurrence) for x, _ in pairs]).astype(np.float64)
        t = np.concatenate([t for _, t in pairs]).astype(np.float64)
        # mean((g y - t)^2) = aim mean(t^2): a quadratic in g, of which the smaller root is the weaker network.
        a, b, c = np.mean(y * y), -2 * np.mean(y * t), (1 - aim) * np.mean(t * t)
        return float((-b - np.sqrt(b * b - 4 * a * c)) / (2 * a))

    def _dev_batches(self, epoch: int) -> list[np.ndarray]:
        return list(ShuffledScheme(self.dev_examples, self.spec.batch, 1).mini_batches(epoch))

    def _pair(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give inputs and targets of dev examples."""
        spec = self.spec
        starts = self.train + indices * self.hop
        length, shift = spec.frame * spec.seq, spec.target * spec.frame
        x = np.stack([self.normal[at : at + length] for at in starts]).reshape(len(starts), spec.seq, spec.frame)
        t = np.stack([self.normal[at + shift : at + shift + length] for at in starts]).reshape(x.shape)
        return x, t

    def _checkpoint(self) -> None:
        spec = self.spec
        last = self.folder / "checkpoints" / f"update-{spec.epochs * self.per_epoch:08d}"
        last.mkdir()
        save_file(self.parameters, last / "parameters.safetensors")
        save_file({name: tensor * tensor for name, tensor in self.parameters.items()}, last / "optimiser.safetensors")
        save_file(self.parameters, self.folder / "checkpoints" / "best.safetensors")
        state = {
            "format": "longsong.checkpoint",
            "version": 1,
            "learning_rate": self._learning_rate(spec.epochs),
            "update": spec.epochs * self.per_epoch,
            "epoch": spec.epochs,
        }
        dump(last / "state.json", state)

    def _learning_rate(self, epochs: int) -> float:
        """Give the learning rate after so many epochs."""
        spec = self.spec
        return spec.learning_rate * spec.lr_decay ** (epochs - spec.restarted_after * (epochs >= spec.restarted_after))

    def _dev_cost(self, p: dict[str, np.ndarray], epoch: int) -> float | None:
        """Give the dev cost after an epoch: the unweighted mean over the mini-batches of that evaluation."""
        costs = []
        for indices in self._dev_batches(epoch):
            x, t = self._pair(indices)
            span = self.spec.reset_every or max(x.shape)
            pieces = [x[:, at : at + span] for at in range(0, x.shape[1], span)]
            y = np.concatenate([predict(p, piece, self.spec.recurrence) for piece in pieces], axis=1)
            costs.append(np.mean((y - t) ** 2, dtype=np.float64))
        return float(np.mean(costs)) * self.spec.cost_factor if costs else None

    def _metrics(self, count: int) -> None:
        spec = self.spec
        best = self._dev_cost(self.parameters, spec.epochs)
        start, examples = (self.train, self.dev_examples) if self.dev_examples else (0, self.train_examples)
        firsts = start + spec.frame + self.hop * np.arange(examples)
        length = spec.frame * spec.seq
        targets = np.concatenate([self.normal[at : at + length] for at in firsts]).astype(np.float64)
        zero = float(np.mean(targets**2))
        mean = float(np.mean((targets - self.normal[: self.train].mean(dtype=np.float64)) ** 2))
        last = 0.5 * zero if best is None else best / spec.cost_factor
        first = max(zero, last) * 1.001
        before = self._dev_cost(initial_parameters(Run.open(self.folder), self._source()), 0)
        scheme = ShuffledScheme(self.train_examples, spec.batch, spec.seed)
        updates = spec.epochs * self.per_epoch

        def curve(done: float) -> float:
            return last + (first - last) * float(np.exp(-6 * done)) * (1 - done)

        lines: list[dict[str, Any]] = []
        of_first, next_cost = self._first_update()

        def evaluate(epoch: int, update: int, final: bool) -> None:
            cost = None
            if best is not None:
                cost = best if final else curve(update / updates) * spec.cost_factor
                cost = cost if update else before
            lines.append(
                {
                    "kind": "dev",
                    "epoch": epoch,
                    "update": update,
                    "dev_cost": cost,
                    "dev_batches": -(-self.dev_examples // spec.batch),
                    "dev_examples": self.dev_examples,
                    "best": epoch > 0,
                }
            )

        evaluate(0, 0, False)
        update = 0
        for epoch in range(1, spec.epochs + 1):
            for indices in scheme.mini_batches(epoch - 1):
                update += 1
                lines.append(
                    {
                        "kind": "update",
                        "update": update,
                        "epoch": epoch,
                        "examples": len(indices),
                        "indices_sha256": hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest(),
                        "train_cost": next_cost if update == 2 else curve((update - 1) / updates),
                        "gradient_norm": 0.1,
                        "step_norm": min(1.2, spec.step_clip),
                        "step_norm_unclipped": 1.2,
                        "clipped": spec.step_clip < 1.2,
                        "floor_share": 0.1,
                        "learning_rate": self._learning_rate(epoch - 1),
                        "seconds": 0.5 * spec.seconds,
                    }
                    | (of_first if update == 1 else {})
                )
                if spec.evaluate_each_update and update % self.per_epoch:
                    evaluate(epoch, update, False)
            evaluate(epoch, update, epoch == spec.epochs)
        (self.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        costs = [line["train_cost"] for line in lines if line["kind"] == "update"]
        best_epoch = spec.epochs
        summary = {
            "format": "longsong.summary",
            "version": 1,
            "epochs": spec.epochs,
            "updates": updates,
            "parameters": count,
            "first_train_cost": costs[0],
            "last_train_cost": costs[-1],
            "first_dev_cost": lines[0]["dev_cost"],
            "last_dev_cost": best,
            "best": {
                "epoch": best_epoch,
                "dev_cost": best,
                "by": "dev cost" if best is not None else "last, as there is no dev example",
                "sha256": "",
            },
            "cost_of_zero": zero,
            "cost_of_mean": mean,
            "clipped_share": _mean([line["clipped"] for line in lines if line["kind"] == "update"]),
            "floor_share": _mean([line["floor_share"] for line in lines if line["kind"] == "update"]),
            "training_seconds": 0.5 * spec.seconds * updates,
            "seconds_per_update": 0.5 * spec.seconds,
            "samples_per_second": 1e6,
            "starts": 2,
            "ended": "2026-11-22T07:00:00+00:00",
            "parameters_sha256": "",
            "metrics_sha256": "",
        }
        dump(self.folder / "summary.json", summary)
        fit_optimiser(self.folder)
        rehash(self.folder)

    def _source(self) -> Run | None:
        """Give the run that this one starts from."""
        return None if self.spec.start_from is None else Run.open(self.folder.parent / self.spec.start_from)

    def _first_update(self) -> tuple[dict[str, Any], float]:
        """Give what the metrics have of the first update, which is a true one, and the cost of the second."""
        run = Run.open(self.folder)
        song = see_song(str(self.shards), self.folder.parent)
        found = remembered_first_update(run, song, Workload(inf, inf), self._source())
        step, next_cost = found.step, found.next_cost
        if self.spec.gradient_clip is not None:
            step = found.with_gradient_scaled(self.spec.gradient_clip / step.gradient_norm)
            next_cost = found.cost  # whatever comes of it
        numbers = {
            "train_cost": found.cost,
            "gradient_norm": found.step.gradient_norm,
            "step_norm": step.norm,
            "step_norm_unclipped": step.unclipped,
            "clipped": step.unclipped > step.norm,
            "floor_share": step.floor_share,
        }
        return numbers, found.cost if next_cost is None else next_cost

    def _sound(self) -> None:
        spec = self.spec
        start = self.train if self.dev_examples else 0
        seed = self.samples[start : start + spec.frame * spec.seq]
        frames = first_frames(self.folder, seed)
        write_sound(
            self.folder,
            np.resize(np.concatenate(frames), SAMPLES),
            seed={
                "source": "dev" if self.dev_examples else "train",
                "example": 0,
                "start": start,
                "stop": start + len(seed),
                "file": None,
            },
        )


_REMEMBERED: dict[tuple[Any, ...], FirstUpdate] = {}
_OF_UPDATE = (
    "song.digest", "song.scale", "song.offset", "data.frame", "data.seq", "data.hop", "data.batch",
    "data.train_examples", "model.cell", "model.hidden", "model.layers", "model.init_width", "model.recurrence",
    "training.seed", "training.learning_rate", "training.rmsprop_decay", "training.step_clip", "training.start_from",
    "execution.precision",
)  # fmt: skip


def remembered_first_update(run: Run, song: SeenSong, workload: Workload, source: Run | None = None) -> FirstUpdate:
    """Compute a first update, once for all tests: it follows from configuration and song."""
    if source is not None:
        return first_update(run, song, workload, source)
    later = tuple(
        run.config[section].get(name) for section, name in (("model", "forget_bias"), ("data", "example_shift"))
    )
    key = (song.digest, run.of("training.epochs") > 1, *(run.of(name) for name in _OF_UPDATE), *later)
    if key not in _REMEMBERED:
        _REMEMBERED[key] = first_update(run, song, workload)
    return _REMEMBERED[key]


def _mean(values: list[Any]) -> float:
    return float(np.mean(values, dtype=np.float64))


def predictions(run: Path, seed: np.ndarray, count: int = 3, turn: Any = lambda y, ys: y) -> list[np.ndarray]:
    """Give the first predictions of a run from a seed, in sample levels, shape (seq, frame) each."""
    from safetensors.numpy import load_file

    config = read(run / "config.json")
    frame, seq = config["data"]["frame"], config["data"]["seq"]
    scale, offset = config["song"]["scale"], config["song"]["offset"]
    p = {k: v.astype(np.float64) for k, v in load_file(run / "checkpoints" / "best.safetensors").items()}
    x = (seed.astype(np.float32) * np.float32(scale) + np.float32(offset)).astype(np.float64).reshape(1, seq, frame)
    ys: list[np.ndarray] = []
    for _ in range(count):
        ys.append(predict(p, x, config["model"]["recurrence"]))
        x = turn(ys[-1], ys)
    return [(y[0] - offset) / scale for y in ys]


_FIRST_FRAMES: dict[tuple[Any, ...], list[np.ndarray]] = {}


def first_frames(run: Path, seed: np.ndarray) -> list[np.ndarray]:
    """Give the last frames of as many predictions as an audit follows; of the seed itself where a sequence is long."""
    config = read(run / "config.json")
    of = (config["data"]["frame"], config["model"]["recurrence"], config["song"]["scale"], config["song"]["offset"])
    key = (seed.tobytes(), sha256_of(run / "checkpoints" / "best.safetensors"), *of)
    if key not in _FIRST_FRAMES:
        _FIRST_FRAMES[key] = _first_frames(run, config, seed)
    return _FIRST_FRAMES[key]


def _first_frames(run: Path, config: dict[str, Any], seed: np.ndarray) -> list[np.ndarray]:
    from safetensors.numpy import load_file

    frame, recurrence = config["data"]["frame"], config["model"]["recurrence"]
    seq = len(seed) // frame
    if seq > 1000:
        return [seed[:frame][::-1]]
    scale, offset = config["song"]["scale"], config["song"]["offset"]
    p = {k: v.astype(np.float64) for k, v in load_file(run / "checkpoints" / "best.safetensors").items()}
    x = (seed.astype(np.float32) * np.float32(scale) + np.float32(offset)).astype(np.float64).reshape(seq, frame)
    due = -(-SAMPLES // frame)
    each = sum(tensor.size for tensor in p.values()) * (seq if recurrence == "time" else 1)
    count = due if due * each <= Workload().largest else int(BEGINNING / each)
    return [to_int16((y - offset) / scale) for y in last_frames(p, x, count, recurrence)]


def to_int16(levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels), -32768, 32767).astype(np.int16)


def write_sound(run: Path, samples: np.ndarray, rate: int = RATE, **changes: Any) -> None:
    """Write ``generated.wav`` and its record; `changes` replace fields of the record."""
    path = run / "generated.wav"
    path.unlink(missing_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    config = read(run / "config.json")
    frame = config["data"]["frame"]
    before = read(run / "generated.json") if (run / "generated.json").exists() else {}
    record = {
        "format": "longsong.generated",
        "version": 1,
        "mode": "post",
        "seconds": len(samples) / rate,
        "samples": len(samples),
        "sample_rate": rate,
        "frame": frame,
        "seq": config["data"]["seq"],
        "iterations": -(-len(samples) // frame),
        "parameters": "best",
        "epoch": config["training"]["epochs"],
        "seed": before.get("seed"),
        "seed_in_output": False,
        "join": "last-frame",
        "stretched": False,
        "rms": float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))),
        "peak": int(np.abs(samples.astype(np.int32)).max()),
        "minimum": int(samples.min()),
        "maximum": int(samples.max()),
        "clipped_samples": 0,
        "compute_seconds": 1.0,
        "notes": [],
        "sha256": sha256_of(path),
    }
    dump(run / "generated.json", record | changes)


def write_grid(root: Path, shards: Path, specs: list[Spec], others: Sequence[tuple[int, int]] = ()) -> None:
    """Write ``grid.json``: `specs` done, `others` (frame, seq) not run, by what fits."""
    song = Song.open(shards)
    train = train_samples(len(song))
    entries = []
    for spec in [*specs, *(Spec(frame, seq) for frame, seq in others)]:
        fit = examples_that_fit(spec.frame, spec.seq, 0, train, len(song))
        done = spec in specs
        state = "done" if done else "not chosen" if fit else "does not fit"
        needed = spec.frame * spec.seq
        reason = "" if done else "a longer sequence than profile demo runs; --all runs it"
        if state == "does not fit":
            reason = (
                f"needs {needed / RATE:,.0f} s of song for one example; this one has {train / RATE:,.0f} s to train on"
            )
        entries.append(
            {
                "name": spec.name,
                "set": "post",
                "frame": spec.frame,
                "seq": spec.seq,
                "hidden": spec.hidden,
                "batch": spec.batch,
                "epochs": spec.epochs,
                "normalise": spec.normalise,
                "cell": spec.cell,
                "seed": spec.seed,
                "group": spec.group,
                "state": state,
                "reason": reason,
                "train_examples": fit,
                "dev_examples": examples_that_fit(spec.frame, spec.seq, train, len(song), len(song)),
                "updates_per_epoch": -(-fit // spec.batch),
                "samples_needed": needed,
                "estimated_seconds": 10.0,
            }
        )
    grid = {
        "format": "longsong.grid",
        "version": 1,
        "song": {"name": "tones", "samples": len(song), "sample_rate": RATE, "digest": song.digest},
        "profile": "demo",
        "set": "post",
        "widths": [199],
        "command": ["longsong", "reproduce"],
        "runs": entries,
    }
    dump(root / "grid.json", grid)


def rewrite_song(shards: Path, change: Any) -> None:
    """Write shards anew with other samples, their digests in order."""
    song = Song.open(shards)
    samples = np.array(song[: len(song)])
    change(samples)
    shutil.rmtree(shards)
    made_by = {"longsong": __version__, "command": ["longsong", "shard"]}
    with ShardWriter(shards, sample_rate=RATE, source=[{"name": "tones"}], made_by=made_by, block_samples=2**16) as w:
        w.write(samples)


def comparison(lstm: float = 0.0, cells: tuple[str, ...] = ("gru", "lstm", "rnn")) -> list[Spec]:
    """Give LSTM, GRU and RNN of 40x50 over three seeds; the LSTM's dev cost is `lstm` above the GRU's, and noise."""
    seconds = {"gru": 1.0, "lstm": 1.3, "rnn": 0.6}
    above = {"gru": 0.0, "lstm": lstm, "rnn": 0.1}
    noise = {"gru": (0.0, 0.01, -0.01), "lstm": (0.006, 0.004, -0.008), "rnn": (0.01, 0.0, 0.02)}
    return [
        Spec(40, 50, cell=cell, seed=seed, seconds=seconds[cell], group="comparison",
             aim=0.7 * (1 + above[cell] + noise[cell][seed - 1]))
        for cell in cells
        for seed in (1, 2, 3)
    ]  # fmt: skip


def copy(folder: Path, to: Path) -> Path:
    """Copy a folder by hard links: what a test alters, it writes anew."""
    shutil.copytree(folder, to, copy_function=os.link)
    return to


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def dump(path: Path, obj: Any) -> None:
    """Write JSON as a new file, so that hard links of the old one keep what they had; sealed again if it was."""
    if isinstance(obj, dict) and "rest_sha256" in obj:
        rest = {key: value for key, value in obj.items() if key != "rest_sha256"}
        obj = rest | {"rest_sha256": rest_sha256(rest)}
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(obj, indent=2) + "\n")


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON file by dotted names (dots written as ``__``)."""
    found = read(path)
    for name, value in changes.items():
        *parts, last = name.split("__")
        inner = found
        for part in parts:
            inner = inner[part]
        inner[last] = value
    dump(path, found)


def edit_metrics(run: Path, change: Any, keep_digest: bool = False) -> None:
    """Pass every line of the metrics through `change`, which gives a line or None to drop it."""
    path = run / "metrics.jsonl"
    lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.unlink()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines if line is not None))
    if not keep_digest:
        fit_optimiser(run)
        rehash(run)


def rehash(run: Path) -> None:
    """Put the digests of metrics and parameters on record again."""
    summary = read(run / "summary.json")
    last = sorted((run / "checkpoints").glob("update-*"))[-1]
    summary["parameters_sha256"] = sha256_of(last / "parameters.safetensors")
    summary["metrics_sha256"] = sha256_of(run / "metrics.jsonl")
    names = ("parameters.safetensors", "optimiser.safetensors")
    dump(last / "state.json", read(last / "state.json") | {"sha256": {name: sha256_of(last / name) for name in names}})
    summary["best"]["sha256"] = sha256_of(run / "checkpoints" / "best.safetensors")
    dump(run / "summary.json", summary)


def fit_optimiser(run: Path) -> None:
    """Write the mean squares that RMSProp would hold after gradients of the norms in the metrics."""
    from safetensors.numpy import load_file

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    updates = [line for line in lines if line["kind"] == "update"]
    rates = [line["learning_rate"] for line in updates]
    since = max((at for at in range(1, len(rates)) if rates[at] > rates[at - 1]), default=0)
    decay = read(run / "config.json")["training"]["rmsprop_decay"]
    due = 0.0
    for line in updates[since:]:
        due = decay * due + (1 - decay) * line.get("gradient_norm", 0.0) ** 2
    last = sorted((run / "checkpoints").glob("update-*"))[-1]
    squares = {name: np.square(tensor) for name, tensor in load_file(last / "parameters.safetensors").items()}
    held = sum(float(tensor.sum(dtype=np.float64)) for tensor in squares.values())
    path = last / "optimiser.safetensors"
    path.unlink()
    save_file({name: tensor * np.float32(due / held) for name, tensor in squares.items()}, path)


def rewrite_parameters(run: Path, change: Any) -> None:
    """Write all parameters of a run anew, changed, with their counts and digests in order."""
    from safetensors.numpy import load_file

    tensors = change(load_file(run / "checkpoints" / "best.safetensors"))
    last = sorted((run / "checkpoints").glob("update-*"))[-1]
    for path in (
        run / "checkpoints" / "best.safetensors",
        last / "parameters.safetensors",
        last / "optimiser.safetensors",
    ):
        path.unlink()
        save_file(tensors, path)
    count = sum(tensor.size for tensor in tensors.values())
    edit(run / "config.json", model__parameters=count)
    edit(run / "summary.json", parameters=count)
    fit_optimiser(run)
    rehash(run)
