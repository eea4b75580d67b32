"""Whether the costs of a run on the song of 2016 are those that were read off the plots."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import Literal

from longsong.audit.cost_curves import Costs
from longsong.audit.reference_curves import ReadCurve

__all__ = ["TOLERANCE", "Agreement", "agreement_of"]

TOLERANCE = 0.1
"""How far a cost may be from that of 2016, as a share of it, beside the error of reading: the weights that training
began from are not known, and the order of the examples is."""

Split = Literal["train", "dev"]


@dataclass(frozen=True)
class Agreement:
    """How the costs of a run on the song of 2016 agree with those that were read off the plots.

    Attributes
    ----------
    way : str
    split : {'train', 'dev'}
        Train costs are compared as means over each epoch: in a picture neighbouring updates run together.
    points : int
    outside : int
        Points that are further off than the tolerance and the error of reading together.
    largest : float
        The largest difference, with its sign, as a share of the cost of 2016.
    at : int
        The update where it is.
    mean : float
        Mean of the differences' sizes, as a share.
    """

    way: str
    split: Split
    points: int
    outside: int
    largest: float
    at: int
    mean: float


def agreement_of(way: str, split: Split, own: Costs | None, read: ReadCurve, together: int) -> Agreement | None:
    """Compare costs where both have them.

    Parameters
    ----------
    way : str
    split : {'train', 'dev'}
    own : Costs or None
    read : ReadCurve
    together : int
        Updates that are compared as one, by their means.

    Returns
    -------
    Agreement or None
        None where there is nothing to compare.
    """
    if own is None:
        return None
    here = dict(zip(own.updates, own.costs, strict=True))
    groups: dict[int, list[tuple[float, float]]] = {}
    for update, cost in zip(read.updates, read.costs, strict=True):
        if update in here:
            groups.setdefault(-(-update // together) * together, []).append((here[update], cost))
    if not groups:
        return None
    shares, outside = {}, 0
    for at, pairs in groups.items():
        mine, theirs = (fsum(column) / len(pairs) for column in zip(*pairs, strict=True))
        shares[at] = (mine - theirs) / theirs
        outside += abs(shares[at]) > TOLERANCE + read.reading_error / theirs
    worst = max(shares, key=lambda at: abs(shares[at]))
    mean = fsum(abs(share) for share in shares.values()) / len(shares)
    return Agreement(way, split, len(shares), outside, shares[worst], worst, mean)
