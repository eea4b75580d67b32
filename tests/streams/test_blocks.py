import threading

import numpy as np
import pytest

from streams import blocks
from streams.blocks import Blocks
from streams.normalise import Normaliser


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    monkeypatch.setattr(Blocks, "_read", 0)
    monkeypatch.setattr(Blocks, "_tried", False)
    monkeypatch.setattr(Blocks, "_compiled", None)


@pytest.fixture
def two(samples):
    """Two blocks of 500 samples."""
    two = Blocks(np.array([0, 500, 1000]), lambda number: samples[500 * number : 500 * (number + 1)])
    two.put(0, samples[:500])
    two.put(1, samples[500:])
    return two


def read(two, start=480, count=40):
    out = np.empty(count, dtype=np.float32)
    done = two.gather((np.array([start]), np.array([count]), np.array([0])), Normaliser(2.0, 1.0), out)
    return done, out


def test_a_block_that_was_dropped_is_not_read(two, samples):
    done, out = read(two)
    assert done == 1
    assert np.array_equal(out, samples[480:520].astype(np.float32) * 2 + 1)
    two.drop(1)
    assert read(two)[0] == 0
    two.drop(1)  # nothing there any more
    two.put(1, samples[500:])
    assert read(two)[0] == 1
    copy = np.empty(40, dtype=np.int16)
    assert two.copy((np.array([480]), np.array([40]), np.array([0])), copy) == 1
    assert np.array_equal(copy, samples[480:520])


def test_the_compiled_loop_is_loaded_once_much_was_read_and_gives_the_same(two, monkeypatch):
    loads = []
    compile_gather = blocks.compile_gather
    monkeypatch.setattr(blocks, "compile_gather", lambda: loads.append(1) or compile_gather())
    monkeypatch.setattr(Blocks, "compile_after", 100)
    found = [read(two) for _ in range(4)]

    assert [len(loads), Blocks._compiled is not None] == [1, True]
    assert Blocks._read == 120  # counted up to the load
    assert all(np.array_equal(out, found[0][1]) for _, out in found)


def test_threads_load_it_once(two, monkeypatch):
    loads, start = [], threading.Barrier(4)
    monkeypatch.setattr(Blocks, "compile_after", 1)
    monkeypatch.setattr(blocks, "compile_gather", lambda: loads.append(1))

    def work():
        start.wait()
        read(two)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_without_the_compiler_the_plain_loop_goes_on(two, monkeypatch):
    monkeypatch.setattr(Blocks, "compile_after", 1)
    monkeypatch.setattr(blocks, "compile_gather", lambda: None)
    assert read(two)[0] == read(two)[0] == 1
