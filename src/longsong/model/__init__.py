"""The network of 2016: reference cells that read like the equations (FACTS section 4)."""

from longsong.model.network import Network, sum_of_squares

__all__ = ["Network", "sum_of_squares"]
