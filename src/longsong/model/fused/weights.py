"""The parameters of a network as products take them, while they do not change."""

from __future__ import annotations

from collections.abc import Hashable

from torch import Tensor

from longsong.model.fused.products import Products
from longsong.model.network import Network

__all__ = ["Weights", "weights_of"]


class Weights(dict[str, Tensor]):
    """Parameters by name, matrices as operands of products.

    Attributes
    ----------
    laid_out : dict of Hashable to Tensor
        What kernels have made of matrices, for as long as these parameters are as they are
        (`longsong.model.kernels.tiles.padded`).
    """

    def __init__(self, named: dict[str, Tensor]) -> None:
        super().__init__(named)
        self.laid_out: dict[Hashable, Tensor] = {}


def weights_of(network: Network, parameters: Tensor, products: Products) -> Weights:
    """Give the parameters of the vector `parameters`, shape (size,); all matrices are rounded at once, if at all."""
    named, rounded = network.named(parameters), products.operand(parameters)
    if rounded is not parameters:
        named |= {name: matrix for name, matrix in network.named(rounded).items() if matrix.ndim == 2}
    return Weights(named)
