"""Work done again and again: on CUDA once as it is, then as what was captured of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from longsong.config import ModelConfig
from longsong.generation import generate_carry
from longsong.generation.kept import iterations_together
from longsong.model import Network
from longsong.model.captured import Repeated, capture

CUDA = torch.device("cuda")
TOGETHER = iterations_together(8)


def recorder(done: list[str]):
    """Give work, and a capture of it, that write down when each is done."""

    def capture(work):
        done.append("captured")
        return lambda: done.append("replayed")

    return lambda: done.append("worked"), capture


def test_on_cuda_work_is_captured_once_and_after_it_was_done():
    done: list[str] = []
    work, capture = recorder(done)
    repeated = Repeated(work, CUDA, capture)
    for _ in range(4):
        repeated()
    assert done == ["worked", "captured", "replayed", "replayed", "replayed"]


def test_elsewhere_nothing_is_captured():
    done: list[str] = []
    work, capture = recorder(done)
    repeated = Repeated(work, torch.device("cpu"), capture)
    repeated()
    repeated()
    assert done == ["worked", "worked"]


def test_where_its_memory_has_moved_it_is_captured_again():
    done: list[str] = []
    work, capture = recorder(done)
    place = iter("aabbbccc")  # asked for before, and again after the work was done as it is

    repeated = Repeated(work, CUDA, capture, lambda: next(place))
    for _ in range(5):
        repeated()
    assert done == ["worked", "worked", "captured", "replayed", "worked", "captured", "replayed"]


def test_where_it_cannot_be_captured_it_is_done_as_it_is_and_that_is_said_once():
    done: list[str] = []
    said: list[str] = []

    def refuse(work):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    repeated = Repeated(lambda: done.append("worked"), CUDA, refuse, say=said.append)
    for _ in range(4):
        repeated()
    assert done == ["worked"] * 4
    (line,) = said
    assert line.endswith("it cannot be captured: operation not permitted when stream is capturing")


def test_who_gives_nobody_to_tell_is_warned():
    def refuse(work):
        raise RuntimeError

    repeated = Repeated(lambda: None, CUDA, refuse)
    repeated()
    with pytest.warns(RuntimeWarning, match="piece by piece"):
        repeated()


@pytest.mark.parametrize(("in_use", "captured_on"), [("a stream of its own", "a stream of its own"), ("default", None)])
def test_it_is_captured_on_the_stream_in_use_beside_threads_that_copy(monkeypatch, in_use, captured_on):
    """Graphs that were captured on one stream would share a workspace; the default one cannot be captured."""
    done: list[object] = []

    class Graph:
        def replay(self) -> None:
            done.append("replayed")

    @contextmanager
    def capturing(graph, *, stream, capture_error_mode):
        done.append((stream, capture_error_mode))
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capturing)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: in_use)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda: "default")
    replay = capture(lambda: done.append("worked"))
    assert done == [(captured_on, "thread_local"), "worked"]
    replay()
    assert done[2:] == ["replayed"]


def test_steps_that_are_repeated_stand_by_themselves(monkeypatch):
    """What is captured may depend on nothing that Python counts: done again as it was first, it gives the same."""
    network = Network(ModelConfig(hidden=3), 2)
    flat = 0.5 * torch.randn(network.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seed = torch.linspace(-1, 1, 10, dtype=torch.float64).view(1, 5, 2)
    frames = 3 * TOGETHER + 7
    expected = torch.cat(list(generate_carry(network, flat, seed, frames)))

    def always(work, device):
        return Repeated(work, CUDA, lambda work: work)

    monkeypatch.setattr("longsong.generation.carry.Repeated", always)
    found = torch.cat([piece.clone() for piece in generate_carry(network, flat, seed, frames)])
    assert found.shape == (frames, 1, 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
def test_a_captured_graph_gives_what_the_steps_give(monkeypatch):
    network = Network(ModelConfig(hidden=16), 8)
    flat = 0.3 * torch.randn(network.size, generator=torch.Generator().manual_seed(1)).cuda()
    seeds = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(2)).cuda()
    found = torch.cat(list(generate_carry(network, flat, seeds, 5 * TOGETHER)))
    monkeypatch.setattr("longsong.generation.carry.Repeated", lambda work, device: work)
    expected = torch.cat(list(generate_carry(network, flat, seeds, 5 * TOGETHER)))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
