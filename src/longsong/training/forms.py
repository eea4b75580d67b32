"""Which form of the network an update is computed by, and what there is to say about it."""

from __future__ import annotations

from pathlib import Path

import torch

from longsong.config import Elementwise, ExecutionConfig
from longsong.errors import ConfigError
from longsong.model import Network
from longsong.model.fused import (
    STEPS_WORTH_COMPILING,
    CudaLanes,
    FusedGradient,
    compiled_available,
    has_bfloat16,
    products_of,
)
from longsong.model.gradient import CostGradient
from longsong.model.kernels import kernels_available
from longsong.model.profile import Profile
from longsong.model.reference import ReferenceGradient
from longsong.training.device import DTYPES

__all__ = ["choose_elementwise", "describe_fallback", "describe_form", "make_gradient", "require_form"]


def make_gradient(network: Network, execution: ExecutionConfig, profile: Profile | None = None) -> CostGradient:
    """Make what computes cost and gradient, as the record of a run says.

    Parameters
    ----------
    network : Network
    execution : ExecutionConfig
        `micro_batch` and `segment` None compute all at once; `elementwise` None is the plain one.
    profile : Profile, optional
        Where the fused form counts its seconds.
    """
    if execution.form == "reference":
        return ReferenceGradient(network, execution.micro_batch)
    # Layers one after the other where the time of each is asked for, or the same bytes. A CPU is busy with one.
    aside = execution.device == "cuda" and execution.elementwise == "kernel"
    aside = aside and profile is None and not execution.deterministic
    return FusedGradient(
        network,
        micro_batch=execution.micro_batch,
        segment=execution.segment,
        products=products_of(execution.precision),
        elementwise=execution.elementwise or "plain",
        profile=profile,
        lanes=CudaLanes(torch.device("cuda"), network.config.layers) if aside else None,
    )


def choose_elementwise(execution: ExecutionConfig, device: torch.device, steps: int) -> Elementwise | None:
    """Choose how a new run does what is no matrix product; None in the reference form, which has no such choice.

    Parameters
    ----------
    execution : ExecutionConfig
        What it asks for is taken.
    device : device
    steps : int
        Of the recurrence, in all updates of the run.

    Raises
    ------
    ConfigError
        Compiled loops or kernels are asked for, and cannot be had.
    """
    if execution.form == "reference":
        return None
    if execution.elementwise is not None:
        if (lacking := _lacking(execution.elementwise, execution, device)) is not None:
            raise ConfigError(
                f"elementwise {execution.elementwise} cannot be had: {lacking}; leave it out, or take plain"
            )
        return execution.elementwise
    best = _best(device)
    # Asked in this order: to know whether it can be had takes the time and memory of loading the compiler.
    worth = best == "kernel" or steps > STEPS_WORTH_COMPILING
    return best if worth and _lacking(best, execution, device) is None else "plain"


def require_form(execution: ExecutionConfig, device: torch.device, run: Path) -> None:
    """Raise unless the run in folder `run` can be gone on with as it was computed so far.

    Raises
    ------
    ConfigError
        Its loops were compiled or kernels, and that cannot be had any more; it would end with other numbers.
    """
    way = execution.elementwise or "plain"
    if (lacking := _lacking(way, execution, device)) is not None:
        raise ConfigError(
            f"{run} was started with {_WAYS[way]}, and that cannot be had any more: {lacking}; "
            "mend that, or give another --out"
        )


def describe_form(execution: ExecutionConfig, device: torch.device, steps: int) -> str:
    """Say in one line how a run of so many steps is computed; what costs time, and can be mended, with its reason."""
    where = f"{execution.threads} thread{'' if execution.threads == 1 else 's'}" if device.type == "cpu" else "CUDA"
    parts = [where, execution.precision]
    if execution.precision == "bfloat16" and device.type == "cpu" and not has_bfloat16():
        parts[-1] += " products (this processor has no instructions for them: they are emulated, and slower)"
    if execution.form == "reference":
        parts.append("the reference form")
    else:
        parts.append(f"the fused form with {_WAYS[execution.elementwise or 'plain']}")
        best = _best(device)
        if execution.elementwise == "plain" and (best == "kernel" or steps > STEPS_WORTH_COMPILING):
            lacking = _lacking(best, execution, device)
            parts[-1] += "" if lacking is None else f" ({lacking})"
    if device.type == "cpu":
        promise = "the same seed gives the same bytes on this machine with as many threads"
    elif execution.deterministic:
        promise = "the same seed gives the same bytes on this device"
    else:
        promise = "last bits may differ from one time to the next (--deterministic)"
    return f"{', '.join(parts)}; {promise}"


def describe_fallback(execution: ExecutionConfig, device: torch.device) -> str | None:
    """Say in one line why runs on a CUDA device go without kernels; None where they have them, or never would."""
    if device.type != "cuda" or execution.form == "reference" or execution.elementwise not in (None, "kernel"):
        return None
    lacking = _lacking("kernel", execution, device)
    return None if lacking is None else f"steps are computed one by one, and many times more slowly: {lacking}"


_WAYS: dict[Elementwise, str] = {
    "compiled": "compiled element-wise work",
    "kernel": "a kernel for each layer's steps",
    "plain": "plain element-wise work",
}


def _best(device: torch.device) -> Elementwise:
    """Give what is fastest on a device, where it can be had."""
    return "kernel" if device.type == "cuda" else "compiled"


def _lacking(way: Elementwise, execution: ExecutionConfig, device: torch.device) -> str | None:
    """Say why a way of element-wise work cannot be had on a device; None where it can."""
    if way == "plain":
        return None
    if way == "kernel":
        return kernels_available(device, DTYPES[execution.precision])
    return compiled_available() if device.type == "cpu" else f"they are compiled for the CPU alone, not {device.type}"
