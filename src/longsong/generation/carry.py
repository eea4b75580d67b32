"""Generating with carried state: one frame in, one frame out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from longsong.config import Elementwise
from longsong.generation.guards import Guard
from longsong.generation.kept import iterations_together
from longsong.model import Network
from longsong.model.captured import Repeated
from longsong.model.fused import Products, Stepper

__all__ = ["generate_carry"]

_BETWEEN_REPORTS = 1024  # steps of a seed


def generate_carry(
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
    """Generate frames one by one, the recurrent state carried along (not the post's way).

    A seed is run through once; the prediction of its last step is the first frame, which is fed back with the state
    that the seed left behind, and so on. A seed may be of any length.

    Parameters are those of `longsong.generation.post.generate_post`.

    Yields
    ------
    Tensor, shape (some, seeds, frame)
    """
    many, seq, _ = seeds.shape
    products = products or Products()
    stepper = Stepper(network, parameters, many, many, products=products, elementwise=elementwise, guard=guard)
    together = iterations_together(network.frame)
    h = stepper.top.new_empty(together, many, stepper.top.shape[1])

    def tell(steps: int) -> None:
        if on_frames is not None:
            on_frames(frames * steps / (seq + frames))

    with products.active():
        for t in range(seq):
            stepper.feed(seeds[:, t], 0)
            stepper.advance(many, 0)
            if t % _BETWEEN_REPORTS == _BETWEEN_REPORTS - 1:
                tell(t + 1)

    def steps(some: int = together) -> None:
        """Keep what predicts the next frames, each of which is then fed back."""
        with products.active():
            for kept in h[:some]:
                kept.copy_(stepper.top)
                stepper.feed_back(0, 0, many)
                stepper.advance(many, 0)

    repeated = Repeated(steps, h.device)
    for made in range(0, frames, together):
        some = min(together, frames - made)
        if some == together:
            repeated()
        else:
            steps(some)
        tell(seq + made + some)
        with products.active():
            done = stepper.decode(h[:some])
        yield done
