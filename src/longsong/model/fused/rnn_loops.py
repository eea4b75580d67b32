"""The element-wise work of a simple recurrent unit, as loops for numba to compile."""

from __future__ import annotations

from typing import Any

from longsong.model.fused.loops import Kit

__all__ = ["rnn_loops"]


def rnn_loops(kit: Kit) -> dict[str, Any]:
    """Make the loops of a simple recurrent unit; `longsong.model.fused.plain` has the same in torch.

    Buffers, in order: linear, h, d_h, as in `longsong.model.fused.rnn`; of a step sums, h and bias, as in
    `longsong.model.fused.steps`.
    """
    from numba import njit

    options, loop, part, rows_of = kit.options, kit.loop, kit.part, kit.rows_of
    tanh, one, wide = kit.tanh, kit.one, kit.wide

    @njit(**options)
    def advance(linear, after, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(linear)):
            a, h = linear[row], after[row]
            for i in range(hidden):
                h[i] = tanh(a[i])

    @njit(**options)
    def back(linear, after, d_after, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(linear)):
            a, h, d = linear[row], after[row], d_after[row]
            for i in range(hidden):
                a[i] = d[i] * (one - h[i] * h[i])

    @loop
    def run_advance(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        advance(part(n, 0, t, a, b, 1), part(n, 1, t + 1, a, b, 1), n[2])

    @loop
    def run_back(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        back(part(n, 0, t, a, b, 1), part(n, 1, t + 1, a, b, 1), part(n, 2, t + 1, a, b, 1), n[2])

    @njit(**options)
    def step(sums, states, bias, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(sums)):
            s, h = sums[row], states[row]
            for i in range(hidden):
                h[i] = tanh(s[i] + bias[i])

    @loop
    def run_step(n):  # type: ignore[no-untyped-def]
        a, b = rows_of(n)
        step(part(n, 0, 0, a, b, 1), part(n, 1, 0, a, b, 1), wide(n, 2, 1), n[2])

    return {"step": run_step, "advance": run_advance, "back": run_back}
