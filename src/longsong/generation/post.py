"""The post's way of generating: whole predicted sequences fed back (P12), the last frame of each kept (P14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from longsong.config import Elementwise
from longsong.generation.guards import Guard
from longsong.generation.kept import Kept
from longsong.model import Network
from longsong.model.fused import Products, Stepper

__all__ = ["generate_post"]

_BETWEEN_REPORTS = 64  # fronts


def generate_post(
    network: Network,
    parameters: Tensor,
    seeds: Tensor,
    frames: int,
    *,
    products: Products | None = None,
    elementwise: Elementwise = "plain",
    guard: Guard | None = None,
    on_frames: Callable[[float], object] | None = None,
) -> Iterator[Tensor]:
    """Generate frames as the post describes (P12 to P14), on a wavefront.

    Iteration k predicts a whole sequence, from the initial state, out of the sequence that iteration k - 1 predicted
    (the seed, for the first), and gives its last frame. Step t of iteration k needs step t - 1 of iteration k and the
    prediction of step t of iteration k - 1, and nothing else; so all steps with the same k + t are computed at once:
    `frames` + seq - 1 steps of up to seq rows, in place of `frames` x seq steps of one row, and the same numbers. An
    iteration's state keeps its place from its first step to its last, and only iterations under way are in memory.

    Parameters
    ----------
    network : Network
    parameters : Tensor, shape (network.size,)
    seeds : Tensor, shape (seeds, seq, frame)
        Sequences to begin with, each generated from by itself; they are not in the output (P13).
    frames : int
        How many to generate from each; 1 or more.
    products : Products, optional
        How matrices are multiplied.
    elementwise : {'compiled', 'plain'}
        How the rest is done.
    guard : Guard or None
        Guard rails.
    on_frames : callable or None
        Called with how many frames' worth of the work is done, now and then.

    Yields
    ------
    Tensor, shape (some, seeds, frame)
        The last frames of the next iterations.
    """
    if network.config.recurrence == "batch":
        # One example is one step there (D01): positions do not see each other, and only the last is kept.
        seeds = seeds[:, -1:]
    many, seq, _ = seeds.shape
    most = min(seq, frames)
    # When all rows were used, those under way, at most half of them, move to the beginning.
    capacity = (2 * most + 2) * many
    products = products or Products()
    stepper = Stepper(
        network, parameters, most * many, capacity, products=products, elementwise=elementwise, guard=guard
    )
    kept = Kept(stepper, many)
    base = worked = 0  # the iteration in the first row; steps made, of all iterations
    for front in range(frames + seq - 1):
        first, stop = max(0, front - seq + 1), min(frames, front + 1)
        if (stop - base) * many > capacity:
            # The one that has ended just now is what the first is fed from.
            stepper.move((first - 1 - base) * many, (stop - 1 - base) * many)
            base = first - 1
        at, rows = (first - base) * many, (stop - first) * many
        with products.active():
            if front < seq:
                stepper.feed(seeds[:, front], 0)
                stepper.feed_back(at, many, rows)
            else:
                stepper.feed_back(at - many, 0, rows)
            stepper.advance(rows, at)
            if front >= seq - 1:  # the oldest has made its last step
                kept.keep(stepper.top[at : at + many])
            done = kept.give(rest=front == frames + seq - 2)
        worked += stop - first
        if on_frames is not None and front % _BETWEEN_REPORTS == _BETWEEN_REPORTS - 1:
            on_frames(worked / seq)
        if done is not None:
            yield done
