"""The time loop of a recurrent layer as one kernel, in Triton, which nothing needs before a kernel is asked for."""

from longsong.model.kernels.availability import kernels_available

__all__ = ["kernels_available"]
