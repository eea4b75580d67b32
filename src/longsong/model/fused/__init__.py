"""The network of 2016 computed fast: whole segments at once, equal to the reference cells."""

from longsong.model.fused.function import recurrence
from longsong.model.fused.gradient import FusedGradient
from longsong.model.fused.lanes import CudaLanes
from longsong.model.fused.openmp import STEPS_WORTH_COMPILING, compiled_available
from longsong.model.fused.products import Bfloat16Products, Products, TensorFloat32Products, has_bfloat16, products_of
from longsong.model.fused.stepper import Stepper

__all__ = [
    "STEPS_WORTH_COMPILING",
    "Bfloat16Products",
    "CudaLanes",
    "FusedGradient",
    "Products",
    "Stepper",
    "TensorFloat32Products",
    "compiled_available",
    "has_bfloat16",
    "products_of",
    "recurrence",
]
