"""The element-wise work of a gated recurrent unit, as loops for numba to compile."""

from __future__ import annotations

from typing import Any

from longsong.model.fused.loops import Kit

__all__ = ["gru_loops"]


def gru_loops(kit: Kit) -> dict[str, Any]:
    """Make the loops of a gated recurrent unit; `longsong.model.fused.plain` has the same in torch.

    Buffers, in order: gates, candidate, product, h, d_h, d_product, as in `longsong.model.fused.gru`; of the steps
    sums, h, product, bias, as in `longsong.model.fused.steps`.
    """
    from numba import njit

    options, loop, part, rows_of = kit.options, kit.loop, kit.part, kit.rows_of
    tanh, sigmoid, one, wide = kit.tanh, kit.sigmoid, kit.one, kit.wide

    @njit(**options)
    def reset(gates, before, product, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, h, rh = gates[row], before[row], product[row]
            for i in range(hidden):
                g[i] = sigmoid(g[i])
            for i in range(hidden):
                r = sigmoid(g[hidden + i])
                g[hidden + i] = r
                rh[i] = r * h[i]

    @njit(**options)
    def update(gates, linear, before, after, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, c, h, new = gates[row], linear[row], before[row], after[row]
            for i in range(hidden):
                candidate = tanh(c[i])
                c[i] = candidate
                new[i] = h[i] + g[i] * (candidate - h[i])

    @njit(**options)
    def back_update(gates, linear, before, d_after, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, c, h, d = gates[row], linear[row], before[row], d_after[row]
            for i in range(hidden):
                u, candidate, to_new = g[i], c[i], d[i]
                through = to_new * u
                g[i] = through * (candidate - h[i]) * (one - u)
                c[i] = through * (one - candidate * candidate)
                d[i] = to_new - through

    @njit(**options)
    def back_reset(gates, before, d_product, d_after, d_before, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, h, q, kept, d = gates[row], before[row], d_product[row], d_after[row], d_before[row]
            for i in range(hidden):
                r, to_product = g[hidden + i], q[i]
                through = to_product * r
                g[hidden + i] = through * h[i] * (one - r)
                d[i] += kept[i] + through

    @loop
    def run_reset(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        reset(part(n, 0, t, a, b, 2), part(n, 3, t, a, b, 1), part(n, 2, t, a, b, 1), n[2])

    @loop
    def run_update(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        update(part(n, 0, t, a, b, 2), part(n, 1, t, a, b, 1), part(n, 3, t, a, b, 1), part(n, 3, t + 1, a, b, 1), n[2])

    @loop
    def run_back_update(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        back_update(
            part(n, 0, t, a, b, 2), part(n, 1, t, a, b, 1), part(n, 3, t, a, b, 1), part(n, 4, t + 1, a, b, 1), n[2]
        )

    @loop
    def run_back_reset(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        back_reset(
            part(n, 0, t, a, b, 2),
            part(n, 3, t, a, b, 1),
            part(n, 5, 0, a, b, 1),
            part(n, 4, t + 1, a, b, 1),
            part(n, 4, t, a, b, 1),
            n[2],
        )

    @njit(**options)
    def step_reset(sums, states, product, bias, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(sums)):
            s, h, rh = sums[row], states[row], product[row]
            for i in range(hidden):
                s[i] = sigmoid(s[i] + bias[i])
            for i in range(hidden):
                rh[i] = sigmoid(s[hidden + i] + bias[hidden + i]) * h[i]

    @njit(**options)
    def step_update(sums, states, bias, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(sums)):
            s, h = sums[row], states[row]
            for i in range(hidden):
                h[i] += s[i] * (tanh(s[2 * hidden + i] + bias[2 * hidden + i]) - h[i])

    @loop
    def run_step_reset(n):  # type: ignore[no-untyped-def]
        a, b = rows_of(n)
        step_reset(part(n, 0, 0, a, b, 3), part(n, 1, 0, a, b, 1), part(n, 2, 0, a, b, 1), wide(n, 3, 3), n[2])

    @loop
    def run_step_update(n):  # type: ignore[no-untyped-def]
        a, b = rows_of(n)
        step_update(part(n, 0, 0, a, b, 3), part(n, 1, 0, a, b, 1), wide(n, 3, 3), n[2])

    return {
        "step_reset": run_step_reset,
        "step_update": run_step_update,
        "reset": run_reset,
        "update": run_update,
        "back_update": run_back_update,
        "back_reset": run_back_reset,
    }
