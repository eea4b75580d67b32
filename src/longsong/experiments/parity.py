"""Parity: the numbers of the original stack, computed again by the code that trains (FACTS section 7)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import streams
from longsong.audit.parity import FORMAT, KINDS, VERSION
from longsong.config import ExecutionConfig, ModelConfig
from longsong.errors import LongsongError
from longsong.files import sha256_of, write_json
from longsong.model import Network, sum_of_squares
from longsong.progress import Progress
from longsong.training.forms import choose_elementwise, make_gradient
from longsong.training.optimiser import RMSProp
from longsong.training.splits import DEV_SEED
from longsong.training.updater import Updater
from longsong.version import __version__

__all__ = [
    "FORWARD_TOLERANCE",
    "TRAINING_TOLERANCE",
    "GoldenFileError",
    "Parity",
    "format_parity",
    "largest_error",
    "measure_all",
    "measure_parity",
    "write_parity",
]

FORWARD_TOLERANCE = 1e-12
"""Of predictions, costs and gradients at the initial parameters."""

TRAINING_TOLERANCE = 1e-10
"""Of the training's costs, step norms, dev costs and final parameters."""

_TRAIN_SEED = 1  # Fuel's own, with which the golden files were made


class GoldenFileError(LongsongError):
    """A file that does not hold the numbers of the original stack (FACTS section 7)."""


@dataclass(frozen=True)
class Parity:
    """The largest errors of one golden file, each of one tensor as `largest_error` defines it.

    Attributes
    ----------
    name : str
        The file's name.
    path : Path
        The file.
    sha256 : str
        Its digest.
    cell, recurrence : str
        What it is of, by its own word.
    form : str
        The form that computed costs and gradients, and how its element-wise work was done.
    forward : dict of str to float
        ``prediction``, ``cost``, ``cost in pieces``, and each gradient by its parameter's name.
    training : dict of str to float
        ``train cost``, ``step norm``, ``dev cost``, ``dev cost per example``, and each final parameter.
    order : bool
        Whether the order of train and dev examples is the same, index for index.
    """

    name: str
    path: Path
    sha256: str
    cell: str
    recurrence: str
    form: str
    forward: Mapping[str, float]
    training: Mapping[str, float]
    order: bool

    @property
    def passes(self) -> bool:
        """Whether all errors are within the tolerances, and the order is the same."""
        return (
            self.order
            and max(self.forward.values()) <= FORWARD_TOLERANCE
            and max(self.training.values()) <= TRAINING_TOLERANCE
        )


def largest_error(a: object, b: object) -> float:
    """Give max |a - b| / max |b| over a tensor (DESIGN: close means close per tensor).

    Where `b` is all zeros it is max |a|. It is infinite where shapes differ or a number is not finite.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return float("inf")
    scale = float(np.max(np.abs(right), initial=0.0)) or 1.0
    return float(np.max(np.abs(left - right), initial=0.0)) / scale


def measure_parity(path: Path, execution: ExecutionConfig | None = None) -> Parity:
    """Compute the numbers of a golden file again, in float64, and compare.

    Parameters
    ----------
    path : Path
        A file of the form of FACTS section 7.
    execution : ExecutionConfig, optional
        The form that computes costs and gradients, and its pieces; by default the fused one, its element-wise
        work compiled where that can be had. Predictions are those of the reference cells: the fused form has none
        that stand in memory.

    Raises
    ------
    ConfigError
        The form that is asked for cannot be had here.
    GoldenFileError
        The file is missing, cut short, or of another form.
    """
    execution = replace(execution or ExecutionConfig(), device="cpu", precision="float64")
    execution = replace(execution, elementwise=choose_elementwise(execution, torch.device("cpu"), sys.maxsize))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            golden = {name: arrays[name] for name in arrays.files}
        return _measure(path, golden, json.loads(str(golden["meta"])), execution)
    except FileNotFoundError:
        raise GoldenFileError(f"there is no {path}; give a file of the form of tests/golden") from None
    except (OSError, ValueError, EOFError, BadZipFile, TypeError, IndexError, RuntimeError) as error:
        raise GoldenFileError(
            f"{path} is cut short, or not a golden file; give one of the form of tests/golden"
        ) from error
    except KeyError as error:
        raise GoldenFileError(f"{path} is not a golden file: it has no {error}") from error


def measure_all(
    paths: Sequence[Path], execution: ExecutionConfig | None = None, *, quiet: bool = False
) -> list[Parity]:
    """Give what `measure_parity` gives of each file, and show how far it is unless `quiet`."""
    found = []
    with Progress("comparing with the original stack", len(paths), "files", quiet=quiet) as progress:
        for path in paths:
            found.append(measure_parity(path, execution))
            progress.advance(1)
    return found


def _measure(path: Path, golden: dict[str, NDArray[Any]], meta: dict[str, Any], execution: ExecutionConfig) -> Parity:
    model = ModelConfig(
        cell=meta["cell"], hidden=meta["hidden"], layers=meta["layers"], recurrence=meta["recurrence_axis"]
    )
    network = Network(model, meta["frame"])
    parameters = network.flat({k: torch.from_numpy(golden[f"init:{k}"]) for k in network.shapes})
    optimiser = RMSProp(
        torch.zeros_like(parameters),
        learning_rate=meta["learning_rate"],
        decay=meta["rmsprop_decay"],
        step_clip=meta["step_clip"],
    )
    updater = Updater(network, parameters.clone(), optimiser, make_gradient(network, execution))
    examples = _examples(golden["song"], meta["frame"], meta["seq"])
    forward = _forward(golden, updater, examples, parameters)
    training, order = _training(golden, meta, updater, examples)
    return Parity(
        name=path.name,
        path=path,
        sha256=sha256_of(path),
        cell=model.cell,
        recurrence=model.recurrence,
        form=execution.form + (f", {execution.elementwise}" if execution.form == "fused" else ""),
        forward=forward,
        training=training,
        order=order,
    )


def _examples(song: NDArray[np.float64], frame: int, seq: int) -> tuple[Tensor, Tensor]:
    """Give all inputs and targets, each of shape (examples, seq, frame)."""
    inputs, targets = song[:-frame].reshape(-1, seq, frame), song[frame:].reshape(-1, seq, frame)
    return torch.from_numpy(inputs.copy()), torch.from_numpy(targets.copy())


def _forward(
    golden: Mapping[str, NDArray[Any]], updater: Updater, examples: tuple[Tensor, Tensor], parameters: Tensor
) -> dict[str, float]:
    network = updater.network
    probe = len(golden["probe:y_hat"])
    inputs, targets = (part[:probe] for part in examples)
    predictions = network.predict(network.named(parameters), inputs)
    cost, gradient = updater.gradient(inputs, targets)
    errors = {
        "prediction": largest_error(predictions, golden["probe:y_hat"]),
        "cost": largest_error(sum_of_squares(predictions, targets) / targets.numel(), golden["probe:cost"]),
        "cost in pieces": largest_error(cost, golden["probe:cost"]),
    }
    for name, part in network.named(gradient).items():
        errors[f"gradient {name}"] = largest_error(part, golden[f"grad:{name}"])
    return errors


def _training(
    golden: Mapping[str, NDArray[Any]],
    meta: Mapping[str, Any],
    updater: Updater,
    examples: tuple[Tensor, Tensor],
) -> tuple[dict[str, float], bool]:
    n_train, n_dev, batch = meta["n_train"], meta["n_dev"], meta["batch"]
    train = streams.ShuffledScheme(n_train, batch, _TRAIN_SEED)
    dev = streams.ShuffledScheme(n_dev, batch, DEV_SEED)
    order: list[NDArray[np.int64]] = []
    dev_order: list[NDArray[np.int64]] = []

    def batches(scheme: streams.ShuffledScheme, first: int, seen: list[NDArray[np.int64]]) -> Iterator[Any]:
        for indices in scheme.get_request_iterator():
            seen.append(indices)
            yield tuple(part[torch.from_numpy(indices + first)] for part in examples)

    costs, norms, dev_costs, each = [], [], [], []

    def evaluate() -> None:
        groups = ((*batch, [len(batch[0])]) for batch in batches(dev, n_train, dev_order))
        dev_costs.append(updater.evaluate(groups)[0])
        each.append([updater.cost(*(part[i : i + 1] for part in examples)) for i in range(n_train, n_train + n_dev)])

    evaluate()
    for _ in range(meta["epochs"]):
        for inputs, targets in batches(train, 0, order):
            cost, step = updater.update(inputs, targets)
            costs.append(cost)
            norms.append(step.step_norm)
        updater.optimiser.learning_rate *= meta["lr_decay_per_epoch"]
        evaluate()

    errors = {
        "train cost": largest_error(costs, golden["train_cost"]),
        "step norm": largest_error(norms, golden["step_norm"]),
        "dev cost": largest_error(dev_costs, golden["dev_cost"]),
        "dev cost per example": largest_error(each, golden["dev_cost_per_example"]),
    }
    for name, part in updater.network.named(updater.parameters.detach()).items():
        errors[f"final {name}"] = largest_error(part, golden[f"final:{name}"])
    same = _same_order(order, golden["order"]) and _same_order(
        dev_order, golden["dev_order"].reshape(-1, golden["dev_order"].shape[-1])
    )
    return errors, same


def _same_order(seen: list[NDArray[np.int64]], golden: NDArray[np.int64]) -> bool:
    """Compare mini-batches of indices with golden ones, which are filled up with -1."""
    return [batch.tolist() for batch in seen] == [row[row >= 0].tolist() for row in golden]


def write_parity(results: Sequence[Parity], path: Path, command: Sequence[str] = ()) -> None:
    """Write ``parity.json``, which `longsong.audit.parity` reads: every error of every file, with its digest.

    Parameters
    ----------
    results : sequence of Parity
        One or more, all computed in one form.
    path : Path
        Where to.
    command : sequence of str
        The words of the command.

    Raises
    ------
    RunError, SpaceError
        As `longsong.files.write_json`.
    """
    files = [
        {
            "name": result.name,
            "path": result.path.as_posix(),
            "sha256": result.sha256,
            "cell": result.cell,
            "recurrence": result.recurrence,
            "order": result.order,
            "passes": result.passes,
            # What is not finite has no number in JSON.
            "tensors": {
                name: error if np.isfinite(error) else None
                for name, error in {**result.forward, **result.training}.items()
            },
        }
        for result in results
    ]
    write_json(
        path,
        {
            "format": FORMAT,
            "version": VERSION,
            "made_by": {"longsong": __version__, "torch": torch.__version__, "command": list(command)},
            "form": results[0].form,
            "tolerances": {"forward": FORWARD_TOLERANCE, "training": TRAINING_TOLERANCE},
            "files": files,
        },
        sealed=True,
    )


def format_parity(results: list[Parity], *, tensors: bool = False) -> str:
    """Give the errors as a table: one line a file, with the largest error of each kind and the verdict.

    Parameters
    ----------
    results : list of Parity
    tensors : bool
        Below it, one line for each tensor of each file.
    """
    lines = [f"{'file':<22}" + "".join(f"{kind:>12}" for kind in KINDS) + f"{'order':>8}  verdict"]
    for result in results:
        errors = {**result.forward, **result.training}
        largest = [max(error for name, error in errors.items() if name.startswith(kind)) for kind in KINDS]
        lines.append(
            f"{result.name:<22}"
            + "".join(f"{error:>12.1e}" for error in largest)
            + f"{'same' if result.order else 'other':>8}  {'passes' if result.passes else 'FAILS'}"
        )
    lines.append(
        f"largest error per tensor, max |a - b| / max |b|; at most {FORWARD_TOLERANCE:g} for prediction, cost and "
        f"gradient, {TRAINING_TOLERANCE:g} for the rest"
    )
    if tensors:
        for result in results:
            for name, error in {**result.forward, **result.training}.items():
                lines.append(f"{result.name:<22}  {name:<40}{error:>12.1e}")
    return "\n".join(lines)
