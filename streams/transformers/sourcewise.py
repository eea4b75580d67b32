"""The same arithmetic on each number of the chosen sources."""

from __future__ import annotations

import math
import numbers
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.buffers import Buffers
from streams.errors import TransformerError
from streams.transformers.base import Transformer, distinct_names
from streams.transformers.protocol import Batch, Stream

__all__ = ["Cast", "ScaleAndShift", "SourcewiseTransformer"]


class SourcewiseTransformer(Transformer):
    """Applies a function of single numbers to the chosen sources.

    Inputs and targets that are views of one buffer are worked on once, and are views of one buffer afterwards.

    Parameters
    ----------
    stream : Stream
        What is wrapped.
    which_sources : sequence of str, optional
        By default all.

    Raises
    ------
    TransformerError
        A name that is no source of the stream, or stands twice.
    """

    def __init__(self, stream: Stream, which_sources: Iterable[str] | None = None) -> None:
        super().__init__((stream,), stream.sources)
        chosen = distinct_names("which_sources", stream.sources if which_sources is None else which_sources)
        for name in chosen:
            if name not in stream.sources:
                raise TransformerError(f"no source is called {name!r}: choose of {stream.sources!r}")
        self.which_sources = tuple(name for name in stream.sources if name in chosen)
        self._buffers = Buffers()

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen sources."""
        return {"which_sources": list(self.which_sources)}

    @abstractmethod
    def transform_source_batch(self, source_batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give an array of the same shape, each number of it made of the one at its place alone."""

    def transform_batch(self, batch: Batch) -> Batch:
        """Give the batch with the chosen sources transformed."""
        made: list[npt.NDArray[Any]] = []
        for number, (name, array) in enumerate(zip(self.sources, batch, strict=True)):
            if len(made) > number:
                continue
            following = batch[number + 1 : number + 2] if name in self.which_sources else ()
            if following and self.sources[number + 1] in self.which_sources and _one_frame_on(array, following[0]):
                both = self._transform(name, _with_last_frame(array))
                made += [both[:, :-1], both[:, 1:]]
            else:
                made.append(self._transform(name, array) if name in self.which_sources else array)
        return tuple(made)

    def _transform(self, name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        try:
            with np.errstate(over="raise"):
                return self.transform_source_batch(array)
        except FloatingPointError as error:
            raise TransformerError(
                f"{type(self).__name__} of {name!r}: a number grows too large ({error}); "
                "scale less, or cast to a wider type"
            ) from error


class ScaleAndShift(SourcewiseTransformer):
    """Gives ``x * scale + shift``: a multiplication, then an addition, each rounded.

    float32 stays float32, and float64 stays float64; whole numbers become float64.

    Parameters
    ----------
    stream : Stream
        What is wrapped.
    scale, shift : float
        Finite, and within float32.
    which_sources : sequence of str, optional
        By default all.

    Raises
    ------
    TransformerError
        A scale or shift that is no such number, or a source that the stream does not have.
    """

    def __init__(self, stream: Stream, scale: float, shift: float, which_sources: Iterable[str] | None = None) -> None:
        super().__init__(stream, which_sources)
        self.scale, self.shift = _number("scale", scale), _number("shift", shift)

    @property
    def parameters(self) -> dict[str, Any]:
        """The two numbers and the chosen sources."""
        return {"scale": self.scale, "shift": self.shift, **super().parameters}

    def transform_source_batch(self, source_batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give the array scaled and shifted."""
        dtype = np.result_type(source_batch, self.scale)
        out = self._buffers.take(source_batch.shape, dtype.type)
        np.multiply(source_batch, dtype.type(self.scale), out=out)
        np.add(out, dtype.type(self.shift), out=out)
        return out


class Cast(SourcewiseTransformer):
    """Gives the numbers as another type; a whole-number type cuts off what is behind the point.

    Parameters
    ----------
    stream : Stream
        What is wrapped.
    dtype : str or dtype
        A real or whole-number type of numpy, in the byte order of the machine.
    which_sources : sequence of str, optional
        By default all.

    Raises
    ------
    TransformerError
        What is no such type, or a source that the stream does not have. When a mini-batch is given: a number
        that the type cannot hold.
    """

    def __init__(self, stream: Stream, dtype: npt.DTypeLike, which_sources: Iterable[str] | None = None) -> None:
        super().__init__(stream, which_sources)
        try:
            found = np.dtype(dtype)
        except (TypeError, ValueError, SyntaxError) as error:
            raise TransformerError(f"dtype is {dtype!r}: give a type of numpy, such as 'float64'") from error
        if dtype is None or found.kind not in "iuf" or not found.isnative:
            raise TransformerError(f"dtype is {dtype!r}: give a type of whole or real numbers, such as 'float64'")
        self.dtype = found

    @property
    def parameters(self) -> dict[str, Any]:
        """The type and the chosen sources."""
        return {"dtype": self.dtype.name, **super().parameters}

    def transform_source_batch(self, source_batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give the array as the type, itself where it is of that type."""
        if source_batch.dtype == self.dtype:
            return source_batch
        self._check_range(source_batch)
        out = self._buffers.take(source_batch.shape, self.dtype.type)
        np.copyto(out, source_batch, casting="unsafe")
        return out

    def _check_range(self, array: npt.NDArray[Any]) -> None:
        """Refuse numbers that numpy would wrap around without a word."""
        if array.size == 0 or self.dtype.kind == "f" or np.can_cast(array.dtype, self.dtype, "safe"):
            return
        limits = np.iinfo(self.dtype)
        # As Python's numbers, which compare whole and real ones exactly.
        lowest, highest = array.min().item(), array.max().item()
        if not (limits.min <= lowest and highest <= limits.max):
            raise TransformerError(
                f"numbers from {lowest} to {highest} do not fit {self.dtype.name}: "
                "scale them first (ScaleAndShift), or cast to a wider type"
            )


def _number(name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real | np.number):
        raise TransformerError(f"{name} is {value!r}: give a real number")
    number = float(value)
    with np.errstate(over="ignore"):
        rounded = np.float32(number)
    if not math.isfinite(rounded):
        raise TransformerError(f"{name} is {value!r}: give a finite number that float32 can hold")
    return number


def _one_frame_on(array: npt.NDArray[Any], later: npt.NDArray[Any]) -> bool:
    """Tell whether `later` is the memory of `array`, one frame on: inputs and targets in one buffer."""
    return (
        array.ndim == 3
        and array.base is not None
        and array.base is later.base
        and (array.dtype, array.shape, array.strides) == (later.dtype, later.shape, later.strides)
        and later.ctypes.data == array.ctypes.data + array.strides[1]
    )


def _with_last_frame(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give the inputs and the frame behind them, which is the targets' last: shape (batch, seq + 1, frame)."""
    rows, seq, frame = array.shape
    return np.lib.stride_tricks.as_strided(array, (rows, seq + 1, frame), array.strides)
