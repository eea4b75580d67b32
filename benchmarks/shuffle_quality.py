"""How far from uniform the orders of `streams` are: ``python -m benchmarks.shuffle_quality [--quick] [--json FILE]``.

Nothing here is timed; all figures follow from the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import arguments, machine, render_table, report
from streams.permutation import ROUNDS, TABLE, Permutation, derive_key
from streams.schemes import Scheme, SequentialScheme, ShuffledScheme
from streams.shard_shuffle import ShardedExamples, ShardShuffledScheme

__all__ = ["kept_pairs", "measure_order", "measure_rounds"]

SHARDS, EACH, BATCH = 64, 1024, 128
BINS = 16
ITEMS = TABLE + 3
"""A prime, just too many for a table: the halves of a position are near their smallest."""

Order = npt.NDArray[np.int64]


def measure_order(scheme: Scheme, open_shards: int | None, epochs: int) -> dict[str, float]:
    """Measure the orders of some epochs over `SHARDS` shards of `EACH` examples, of which one follows another.

    Parameters
    ----------
    scheme : Scheme
    open_shards : int or None
        Shards of a group, a divisor of `SHARDS`; None where all are one group.
    epochs : int

    Returns
    -------
    dict of str to float
        shards : distinct shards of a mini-batch, mean.
        displacement : mean of |position - example|, over that of a uniform shuffle, (N**2 - 1) / (3 N).
        neighbours : correlation of an example with the next in the order.
        chi_square : of position x example, in `BINS` x `BINS` equal parts within each group, over its degrees of
            freedom; a uniform shuffle has 1.
        same_shard : how many pairs of a mini-batch are of one shard, over a uniform shuffle.
        drift : variance of the mean over a mini-batch of a song that rises linearly, over a uniform shuffle.
    """
    orders = [np.concatenate(list(scheme.mini_batches(epoch))) for epoch in range(epochs)]
    examples = len(orders[0])
    batches = np.stack(orders).reshape(-1, BATCH)
    shards = batches // EACH
    counts = np.stack([np.bincount(row, minlength=SHARDS) for row in shards])
    pairs_alike = (counts * (counts - 1) / 2).sum() / (len(batches) * BATCH * (BATCH - 1) / 2)
    # Sampling without replacement has the last factor.
    uniform = (examples**2 - 1) / 12 / BATCH * (examples - BATCH) / (examples - 1)
    step = examples if open_shards is None else open_shards * EACH
    groups = [order[at : at + step] for order in orders for at in range(0, examples, step)]
    return {
        "shards": float((counts > 0).sum(axis=1).mean()),
        "displacement": float(
            np.mean([np.abs(order - np.arange(examples)).mean() for order in orders])
            / ((examples**2 - 1) / (3 * examples))
        ),
        "neighbours": float(np.mean([np.corrcoef(order[:-1], order[1:])[0, 1] for order in orders])),
        "chi_square": float(np.mean([_chi_square(np.argsort(np.argsort(group))) for group in groups])),
        "same_shard": float(pairs_alike / ((EACH - 1) / (examples - 1))),
        "drift": float(batches.mean(axis=1).var() / uniform),
    }


def kept_pairs(order: Order, halves: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Count the pairs of positions that too few rounds of a Feistel network bring forth too often.

    Parameters
    ----------
    order : ndarray, shape (n,), int64
        The item at each position.
    halves : tuple of int
        `Permutation.halves`, (a, b): position p is the pair (p // b, p % b).

    Returns
    -------
    ndarray, shape (4,)
        Pairs that share their right half and keep the distance of the left one; that share the left and keep the
        right; and of both, those whose items share the same half again.
    """
    a, b = halves
    left, right = np.divmod(np.arange(len(order)), b)
    to_left, to_right = np.divmod(order, b)
    moved_left, moved_right = (to_left - left) % a, (to_right - right) % b
    kinds = (
        right * a + moved_left,
        left * b + moved_right,
        (right * b + to_right) * a + moved_left,
        (left * a + to_left) * b + moved_right,
    )
    return np.array([_equal_pairs(kind) for kind in kinds])


def measure_rounds(rounds: tuple[int, ...], keys: int) -> list[dict[str, Any]]:
    """Count `kept_pairs` of permutations of `ITEMS` for each number of rounds, over those of true shuffles.

    Parameters
    ----------
    rounds : tuple of int
    keys : int
        Permutations drawn for each.

    Returns
    -------
    list of dict
        rounds; four ratios, with `error`, the largest standard error of the four; `deviation`, the largest of the
        four deviations from 1 in standard errors of its own; `chi_square` of position x item as in
        `measure_order`.
    """
    positions = np.arange(ITEMS)
    halves = Permutation(ITEMS, 0).halves
    generator = np.random.default_rng(0)
    true = np.array([kept_pairs(generator.permutation(ITEMS), halves) for _ in range(keys)])
    rows = []
    for number in rounds:
        orders = [Permutation(ITEMS, derive_key(number, key), number)(positions) for key in range(keys)]
        found = np.array([kept_pairs(order, halves) for order in orders])
        ratios = found.mean(axis=0) / true.mean(axis=0)
        errors = np.sqrt((true.var(axis=0) + found.var(axis=0)) / keys) / true.mean(axis=0)
        rows.append(
            {
                "candidate": f"rounds-{number}" + ("-used" if number == ROUNDS else ""),
                "items": ITEMS,
                "keys": keys,
                **dict(zip(("right", "left", "right_twice", "left_twice"), ratios.tolist(), strict=True)),
                "error": float(errors.max()),
                "deviation": float((np.abs(ratios - 1) / errors).max()),
                "chi_square": float(np.mean([_chi_square(order) for order in orders])),
            }
        )
    return rows


def _equal_pairs(values: Order) -> int:
    runs = np.diff(np.flatnonzero(np.diff(np.sort(values), prepend=-1, append=-1)))
    return int((runs * (runs - 1) // 2).sum())


def _chi_square(order: Order) -> float:
    """Give chi-square over its degrees of freedom of `BINS` x `BINS` parts of positions and items."""
    edges = np.arange(BINS + 1) * len(order) // BINS
    counts = np.stack([np.histogram(order[begin:end], bins=edges - 0.5)[0] for begin, end in pairwise(edges.tolist())])
    sizes = np.diff(edges)
    expected = np.outer(sizes, sizes) / len(order)
    # A permutation fills every row and every column, and has the variance of draws without replacement.
    degrees = (BINS - 1) ** 2 * len(order) / (len(order) - 1)
    return float(((counts - expected) ** 2 / expected).sum() / degrees)


def _stated(open_shards: int) -> float:
    """Give the drift that the docstring of `ShardShuffledScheme` states."""
    return 1 + (BATCH - 1) / open_shards * (SHARDS - open_shards) / (SHARDS - 1)


def _orders(quick: bool) -> list[dict[str, Any]]:
    sharded = ShardedExamples(SHARDS * EACH, 1, 0, range(0, SHARDS * EACH, EACH))
    candidates: list[tuple[str, Scheme, int | None]] = [
        ("sequential", SequentialScheme(sharded.examples, BATCH), None),
        ("shuffled", ShuffledScheme(sharded.examples, BATCH), None),
    ]
    for count in (1, 2, 4, 8, 16, 32, 64):
        sharded_scheme = ShardShuffledScheme(sharded, BATCH, open_shards=count)
        candidates.append((f"shard-shuffled-{count}", sharded_scheme, count))
    rows = []
    for name, scheme, open_shards in candidates:
        found = measure_order(scheme, open_shards, epochs=3 if quick else 30)
        stated = None if open_shards is None else _stated(open_shards)
        rows.append({"candidate": name, **found, "drift_stated": stated, "drift_standard_error": sqrt(found["drift"])})
    return rows


def _figure(digits: int) -> Callable[[Any], str]:
    return lambda value: f"{value:.{digits}f}"


ORDER_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "candidate": ("order", str),
    "shards": ("shards of a mini-batch", _figure(1)),
    "displacement": ("displacement", _figure(3)),
    "neighbours": ("neighbours", _figure(3)),
    "chi_square": ("chi2 / df", _figure(2)),
    "same_shard": ("pairs of a shard", _figure(2)),
    "drift": ("drift variance", _figure(2)),
    "drift_stated": ("as stated", _figure(2)),
    "drift_standard_error": ("its root", _figure(2)),
}

ROUND_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "candidate": ("network", str),
    "right": ("right", _figure(4)),
    "left": ("left", _figure(4)),
    "right_twice": ("right twice", _figure(4)),
    "left_twice": ("left twice", _figure(4)),
    "error": ("error", _figure(4)),
    "deviation": ("deviation", _figure(1)),
    "chi_square": ("chi2 / df", _figure(3)),
}


def main() -> None:
    """Measure, print, and write the JSON file where one is asked for."""
    options = arguments(__doc__ or "").parse_args()
    described = machine(["numpy"])
    orders = _orders(options.quick)
    rounds = measure_rounds((4, ROUNDS) if options.quick else (3, 4, 5, 6, 7, 8, 10), 300 if options.quick else 4000)
    print(
        f"{SHARDS} shards of {EACH} examples, mini-batches of {BATCH}, N shards open in shard-shuffled-N.\n"
        "Over a uniform shuffle: displacement, chi-square (within a group), pairs of one shard in a mini-batch,\n"
        "variance of mini-batch means where the song drifts. Neighbours: their correlation.\n"
    )
    print(render_table(orders, ORDER_COLUMNS))
    print(
        f"\nPermutations of {ITEMS} items: pairs that share a half and keep the distance of the other one, over those\n"
        "of true shuffles; the largest standard error, and the largest deviation from 1 in standard errors.\n"
    )
    print(render_table(rounds, ROUND_COLUMNS))
    print()
    ratios = {f"drift_over_uniform:{row['candidate']}": row["drift"] for row in orders}
    ratios |= {f"kept_pairs_over_shuffle:{row['candidate']}": row["right"] for row in rounds}
    report(options.json, described, [*orders, *rounds], ratios)


if __name__ == "__main__":
    main()
