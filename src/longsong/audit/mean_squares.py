"""What RMSProp holds at the end, against the gradients that the metrics name (P20, D10).

Its state is, for each parameter, the mean of squares v := d v + (1 - d) g^2 of the gradient (Tieleman and Hinton 2012).
Summed over all parameters that is one number, which follows from the norms of the gradients alone.
"""

from __future__ import annotations

from math import fsum

from longsong.audit.revaluate import TOLERANCE
from longsong.audit.run import Run, read_tensors

__all__ = ["gradients_odd", "optimiser_altered", "was_begun_again"]


def _begun_again(run: Run) -> int:
    """Give the number of updates before the last one at which the learning rate was the first one again; 0 for none."""
    rates = [line["learning_rate"] for line in run.metrics.updates]
    return max((at for at in range(1, len(rates)) if rates[at] > rates[at - 1]), default=0)


def gradients_odd(run: Run) -> str:
    """Say that the norms of the gradients are not those that the optimiser's state was made of; nothing if they are.

    Raises
    ------
    RunError
        The state cannot be read.
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
        The state cannot be read.
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
    decay, lines = run.of("training.rmsprop_decay"), run.metrics.updates[since:]
    last = len(lines) - 1
    return fsum((1 - decay) * decay ** (last - at) * line["gradient_norm"] ** 2 for at, line in enumerate(lines))
