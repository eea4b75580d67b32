"""What RMSProp holds at the end, against the gradients that the metrics name (P20, D10).

Its state is, for each parameter, the mean of squares v := d v + (1 - d) g^2 of the gradient (Tieleman and Hinton 2012).
Summed over all parameters that is one number, which follows from the norms of the gradients alone.
"""

from __future__ import annotations

from math import fsum

import numpy as np

from longsong.audit.revaluate import TOLERANCE
from longsong.audit.run import Run, read_tensors
from longsong.errors import RunError

__all__ = ["gradients_odd", "optimiser_altered", "was_begun_again"]


def _begun_again(run: Run) -> int:
    """Give the number of updates before the last one at which the learning rate was the first one again; 0 for none."""
    rises = np.flatnonzero(np.diff(run.metrics.updates.column("learning_rate")) > 0)
    return int(rises[-1]) + 1 if len(rises) else 0


def gradients_odd(run: Run) -> str:
    """Say that the norms of the gradients are not those that the optimiser's state was made of; nothing if they are.

    Raises
    ------
    RunError
        The state cannot be read, or updates have no gradient norm.
    """
    held = _held(run)
    sums = {since: _due(run, since) for since in (0, _begun_again(run))}
    away = min(abs(held / due - 1) if due else abs(held) for due in sums.values())
    if away <= TOLERANCE:
        return ""
    return (
        f"its optimiser holds {held:.6g} of squared gradients, and the gradient norms of its updates make "
        f"{sums[0]:.6g} ({away:.2%} off)"
    )


def was_begun_again(run: Run) -> bool | None:
    """Tell by the optimiser's state whether it was empty at the last update with the first learning rate.

    None where both ways give the same: the gradients before that have long been forgotten.

    Raises
    ------
    RunError
        The state cannot be read, or updates have no gradient norm.
    """
    held, whole, since = _held(run), _due(run, 0), _due(run, _begun_again(run))
    if abs(whole - since) <= 2 * TOLERANCE * whole:
        return None
    return abs(held - since) < abs(held - whole)


def optimiser_altered(run: Run) -> str:
    """Say that the optimiser's state is another than the one that the checkpoint has on record, or nothing."""
    digest = run.state.get("sha256", {}).get("optimiser.safetensors")
    path = run.checkpoint / "optimiser.safetensors"
    if digest is None or (found := run.sha256(path)) == digest:
        return ""
    return f"{path.name} was altered since (sha256 {found[:12]}…, on record {str(digest)[:12]}…)"


def _held(run: Run) -> float:
    tensors = read_tensors(run.checkpoint / "optimiser.safetensors")
    return fsum(float(tensor.sum(dtype="float64")) for tensor in tensors.values())


def _due(run: Run, since: int) -> float:
    decay, norms = run.of("training.rmsprop_decay"), run.metrics.updates.column("gradient_norm")[since:]
    if bare := int(np.isnan(norms).sum()):
        raise RunError(f"{bare:,} of its updates have no gradient norm")
    with np.errstate(over="ignore"):  # a norm beyond every network's is infinite when squared, and fits no state
        return fsum((1 - decay) * decay ** np.arange(len(norms))[::-1] * np.square(norms))
