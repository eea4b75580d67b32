"""The inner loop as numba compiles it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["compile_gather"]

_LINES = 16
"""Lines of the cache of the next row that are read ahead: behind them the processor does so by itself."""

_LANES = 8
"""Numbers stored at once, past the caches: 32 bytes, which begin at a multiple of 32."""


def compile_gather() -> Callable[..., int] | None:
    """Compile the loop; None where numba is not installed or does not fit.

    Returns
    -------
    callable
        ``gather(starts, counts, places, borders, addresses, scale, offset, past_caches, out) -> int``, as
        `streams.kernel.gather_plain`, with the address of the first sample of each block in place of its view, 0
        where it cannot be read: shape (blocks,), int64. With `past_caches` what is written goes to memory without
        a stay in the caches: twice as fast where it would not stay there anyway. It runs without the
        interpreter's lock.
    """
    if sys.byteorder != "little":
        return None
    try:
        return _compiled()
    except ImportError:
        return None


def _compiled() -> Callable[..., int]:
    import numba
    from numba import carray, types

    pointer, fetch_soon, write_past_caches, wait_for_writes = _intrinsics()
    numbers, number, real = types.Array(types.int64, 1, "C", readonly=True), types.int64, types.float32
    # Nothing is kept on disk: numba would pickle it. And no fast-math: a fused multiplication and addition
    # would give other bits.
    signature = number(
        numbers, numbers, numbers, numbers, types.int64[::1], real, real, types.boolean, types.float32[::1]
    )

    @numba.njit(number(number, numbers), inline="always")
    def find_block(sample, borders):  # type: ignore[no-untyped-def]
        low, high = 0, len(borders) - 1
        while high - low > 1:
            middle = (low + high) >> 1
            if borders[middle] <= sample:
                low = middle
            else:
                high = middle
        return low

    @numba.njit(signature, nogil=True, fastmath=False, cache=False)
    def gather(  # type: ignore[no-untyped-def]
        starts, counts, places, borders, addresses, scale, offset, past_caches, out
    ):
        low = find_block(starts[0], borders) if len(starts) else 0
        for run in range(len(starts)):
            sample, left, at, following = starts[run], counts[run], places[run], low
            if run + 1 < len(starts):
                # Rows lie anywhere: their first bytes come from far while this one is at work.
                following = find_block(starts[run + 1], borders)
                if addresses[following]:
                    begin = addresses[following] + 2 * (starts[run + 1] - borders[following])
                    for line in range(min(_LINES, counts[run + 1] >> 5)):
                        fetch_soon(begin + (line << 6))
            while left > 0:
                if addresses[low] == 0:
                    return run
                taken = min(left, borders[low + 1] - sample)
                # As pointers, so that no check of an index's sign stands in the way of vector instructions.
                address = addresses[low] + 2 * (sample - borders[low])
                source, target = carray(pointer(address), taken, np.int16), out[at : at + taken]
                if past_caches:
                    place = out.ctypes.data + 4 * at
                    before = min(taken, -(place >> 2) % _LANES)
                    lanes = (taken - before) // _LANES
                    for i in range(before):
                        target[i] = np.float32(source[i]) * scale + offset
                    write_past_caches(address + 2 * before, place + 4 * before, lanes, scale, offset)
                    for i in range(before + lanes * _LANES, taken):
                        target[i] = np.float32(source[i]) * scale + offset
                else:  # a loop of its own, from 0 on: another one is not vectorised
                    for i in range(taken):
                        target[i] = np.float32(source[i]) * scale + offset
                sample, left, at = sample + taken, left - taken, at + taken
                low += 1
            low = following
        if past_caches:
            wait_for_writes()
        return len(starts)

    compiled: Callable[..., int] = gather
    return compiled


def _intrinsics() -> tuple[Any, Any, Any, Any]:
    """Make what numba has no words for: pointers from addresses, reads ahead, and stores past the caches."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    samples = types.CPointer(types.int16)
    word = ir.IntType(64)

    @intrinsic  # type: ignore[untyped-decorator]
    def pointer(typing_context: Any, address: Any) -> Any:
        """Take an address for that of int16 samples."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(samples))

        return samples(address), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def fetch_soon(typing_context: Any, address: Any) -> Any:
        """Have the line of the cache at an address read while other work goes on."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], _prefetch_type(ir))
            to_read, to_stay, data = (ir.Constant(flag, value) for value in (0, 3, 1))
            builder.call(prefetch, [builder.inttoptr(arguments[0], byte), to_read, to_stay, data])
            return context.get_dummy_value()

        return types.none(types.int64), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def write_past_caches(typing_context: Any, source: Any, target: Any, lanes: Any, scale: Any, offset: Any) -> Any:
        """Normalise `lanes` times so many int16 samples at `source` into float32 at `target`, a multiple of 32."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            source, target, lanes, scale, offset = arguments
            short, real = ir.VectorType(ir.IntType(16), _LANES), ir.VectorType(ir.FloatType(), _LANES)

            def in_all_lanes(value: Any) -> Any:
                vector = builder.insert_element(ir.Constant(real, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
                first = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
                return builder.shuffle_vector(vector, ir.Constant(real, ir.Undefined), first)

            scales, offsets = in_all_lanes(scale), in_all_lanes(offset)
            read, written = builder.inttoptr(source, short.as_pointer()), builder.inttoptr(target, real.as_pointer())
            entry = builder.block
            head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
            builder.branch(head)
            builder.position_at_end(head)
            at = builder.phi(word)
            at.add_incoming(ir.Constant(word, 0), entry)
            builder.cbranch(builder.icmp_signed("<", at, lanes), body, end)
            builder.position_at_end(body)
            loaded = builder.load(builder.gep(read, [at]))
            loaded.align = 2
            numbers = builder.fadd(builder.fmul(builder.sitofp(loaded, real), scales), offsets)
            stored = builder.store(numbers, builder.gep(written, [at]))
            stored.align = 4 * _LANES
            stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
            at.add_incoming(builder.add(at, ir.Constant(word, 1)), body)
            builder.branch(head)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return types.none(types.int64, types.int64, types.int64, types.float32, types.float32), generate

    @intrinsic  # type: ignore[untyped-decorator]
    def wait_for_writes(typing_context: Any) -> Any:
        """Have all stores done before anything that follows: those past the caches know no order otherwise."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.none(), generate

    return pointer, fetch_soon, write_past_caches, wait_for_writes


def _prefetch_type(ir: Any) -> Any:
    flag = ir.IntType(32)
    return ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), flag, flag, flag])
