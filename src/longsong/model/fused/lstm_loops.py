"""The element-wise work of a peephole LSTM, as loops for numba to compile."""

from __future__ import annotations

from typing import Any

from longsong.model.fused.loops import Kit

__all__ = ["lstm_loops"]


def lstm_loops(kit: Kit) -> dict[str, Any]:
    """Make the loops of a peephole LSTM; `longsong.model.fused.plain` has the same in torch.

    Buffers, in order: gates, h, cells, d_h, d_cells, peepholes in, forget and out, as in `longsong.model.fused.lstm`;
    of a step sums, h, cells, the peepholes and bias, as in `longsong.model.fused.steps`.
    """
    from numba import njit

    options, loop, part, rows_of = kit.options, kit.loop, kit.part, kit.rows_of
    tanh, sigmoid, one, vector, wide = kit.tanh, kit.sigmoid, kit.one, kit.vector, kit.wide

    @njit(**options)
    def advance(gates, cells, new_cells, after, p_in, p_forget, p_out, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, old, new, h = gates[row], cells[row], new_cells[row], after[row]
            for i in range(hidden):
                g[i] = sigmoid(g[i] + old[i] * p_in[i])
            for i in range(hidden):
                g[hidden + i] = sigmoid(g[hidden + i] + old[i] * p_forget[i])
            for i in range(hidden):
                g[2 * hidden + i] = tanh(g[2 * hidden + i])
            for i in range(hidden):
                new[i] = g[hidden + i] * old[i] + g[i] * g[2 * hidden + i]
            for i in range(hidden):
                out = sigmoid(g[3 * hidden + i] + new[i] * p_out[i])
                g[3 * hidden + i] = out
                h[i] = out * tanh(new[i])

    @njit(**options)
    def back(gates, cells, new_cells, d_after, d_cells, p_in, p_forget, p_out, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(gates)):
            g, old, new, dh, dc = gates[row], cells[row], new_cells[row], d_after[row], d_cells[row]
            for i in range(hidden):
                out, squashed = g[3 * hidden + i], tanh(new[i])
                through = dh[i] * out
                d_out = through * squashed * (one - out)
                g[3 * hidden + i] = d_out
                dc[i] += through * (one - squashed * squashed) + d_out * p_out[i]
            for i in range(hidden):
                into, candidate = g[i], g[2 * hidden + i]
                g[i] = dc[i] * candidate * into * (one - into)
                g[2 * hidden + i] = dc[i] * into * (one - candidate * candidate)
            for i in range(hidden):
                keep = g[hidden + i]
                through = dc[i] * keep
                d_keep = through * old[i] * (one - keep)
                g[hidden + i] = d_keep
                dc[i] = through + g[i] * p_in[i] + d_keep * p_forget[i]

    @loop
    def run_advance(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        advance(
            part(n, 0, t, a, b, 4),
            part(n, 2, t, a, b, 1),
            part(n, 2, t + 1, a, b, 1),
            part(n, 1, t + 1, a, b, 1),
            vector(n, 5),
            vector(n, 6),
            vector(n, 7),
            n[2],
        )

    @loop
    def run_back(n):  # type: ignore[no-untyped-def]
        t, (a, b) = n[0], rows_of(n)
        back(
            part(n, 0, t, a, b, 4),
            part(n, 2, t, a, b, 1),
            part(n, 2, t + 1, a, b, 1),
            part(n, 3, t + 1, a, b, 1),
            part(n, 4, 0, a, b, 1),
            vector(n, 5),
            vector(n, 6),
            vector(n, 7),
            n[2],
        )

    @njit(**options)
    def step(sums, cells, states, p_in, p_forget, p_out, bias, hidden):  # type: ignore[no-untyped-def]
        for row in range(len(sums)):
            s, c, h = sums[row], cells[row], states[row]
            for i in range(hidden):
                into = sigmoid(s[i] + bias[i] + c[i] * p_in[i])
                keep = sigmoid(s[hidden + i] + bias[hidden + i] + c[i] * p_forget[i])
                s[i] = keep * c[i] + into * tanh(s[2 * hidden + i] + bias[2 * hidden + i])
            for i in range(hidden):
                c[i] = s[i]
            for i in range(hidden):
                h[i] = sigmoid(s[3 * hidden + i] + bias[3 * hidden + i] + c[i] * p_out[i]) * tanh(c[i])

    @loop
    def run_step(n):  # type: ignore[no-untyped-def]
        a, b = rows_of(n)
        sums, states, cells = part(n, 0, 0, a, b, 4), part(n, 1, 0, a, b, 1), part(n, 2, 0, a, b, 1)
        step(sums, cells, states, vector(n, 3), vector(n, 4), vector(n, 5), wide(n, 6, 4), n[2])

    return {"step": run_step, "advance": run_advance, "back": run_back}
