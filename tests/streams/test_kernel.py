"""Both forms of the inner loop against plain slices of the song, bit for bit."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import compiled, kernel
from streams.compiled import compile_gather
from streams.kernel import copy_plain, gather_plain
from streams.normalise import Normaliser

COMPILED = compile_gather()


@st.composite
def cases(draw):
    """A song cut into blocks of which some are missing, and runs of it with places of their own."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    borders = np.array([0, *itertools.accumulate(lengths)], dtype=np.int64)
    samples = np.random.default_rng(draw(st.integers(0, 99))).integers(-32768, 32768, borders[-1]).astype(np.int16)
    missing = draw(st.sets(st.integers(0, len(lengths) - 1), max_size=2))
    views = {i: samples[borders[i] : borders[i + 1]] for i in range(len(lengths)) if i not in missing}
    runs = draw(st.lists(st.tuples(st.integers(0, int(borders[-1]) - 1), st.integers(0, 120)), max_size=6))
    starts = np.array([start for start, _ in runs], dtype=np.int64)
    counts = np.array([min(count, len(samples) - start) for start, count in runs], dtype=np.int64)
    places = np.cumsum(np.concatenate([[0], counts + 3]))[: len(runs)]
    return samples, borders, views, starts, counts, places


def expected(samples, borders, views, starts, counts):
    """Give the number of runs before one that meets a missing block, and the samples of each of these."""
    done = []
    for start, count in zip(starts, counts, strict=True):
        blocks = np.searchsorted(borders, np.arange(start, start + count), side="right") - 1
        if not set(blocks.tolist()) <= set(views):
            break
        done.append(samples[start : start + count])
    return done


def addresses_of(borders, views):
    addresses = np.zeros(len(borders) - 1, dtype=np.int64)
    for number, view in views.items():
        addresses[number] = view.ctypes.data
    return addresses


NORMALISER = Normaliser(0.00017, -0.3)


@settings(max_examples=200)
@given(case=cases(), form=st.sampled_from(["plain", "compiled", "past caches"]))
def test_runs_are_normalised_into_their_places(case, form):
    samples, borders, views, starts, counts, places = case
    out = np.full(int(counts.sum()) + 3 * len(counts) + 1, np.nan, dtype=np.float32)
    if form == "plain":
        done = gather_plain((starts, counts, places), borders, views.get, NORMALISER, out)
    else:
        assert COMPILED is not None, "numba is a dependency; without it this form cannot be tested"
        scale, offset = NORMALISER.scale, NORMALISER.offset
        past = form == "past caches"
        done = COMPILED(starts, counts, places, borders, addresses_of(borders, views), scale, offset, past, out)

    runs = expected(samples, borders, views, starts, counts)
    assert done == len(runs)
    for run, place in zip(runs, places, strict=False):
        product = run.astype(np.float32) * np.float32(NORMALISER.scale)
        assert np.array_equal(out[place : place + len(run)], product + np.float32(NORMALISER.offset))
    if done == len(starts):  # nothing is written between the places
        assert np.isnan(out).sum() == len(out) - counts.sum()


@given(case=cases())
def test_runs_are_copied_into_their_places(case):
    samples, borders, views, starts, counts, places = case
    out = np.zeros(int(counts.sum()) + 3 * len(counts) + 1, dtype=np.int16)

    runs = expected(samples, borders, views, starts, counts)
    assert copy_plain((starts, counts, places), borders, views.get, out) == len(runs)
    for run, place in zip(runs, places, strict=False):
        assert np.array_equal(out[place : place + len(run)], run)


@pytest.mark.parametrize("count", [kernel._PIECE - 1, kernel._PIECE, 2 * kernel._PIECE + 1])
def test_long_runs_are_normalised_in_pieces_without_a_seam(make_samples, count):
    samples = make_samples(count + 5)
    out = np.empty(count, dtype=np.float32)
    one, borders = np.array([5]), np.array([0, len(samples)])
    gather_plain((one, np.array([count]), np.array([0])), borders, {0: samples}.get, NORMALISER, out)
    whole = np.empty_like(out)
    NORMALISER.apply(samples[5:], whole)
    assert np.array_equal(out, whole)


def test_the_compiled_form_does_not_fuse_what_has_to_be_rounded_twice(make_samples):
    """A fused multiplication and addition rounds once: on these numbers that shows."""
    samples = make_samples(4096)
    scale, offset = np.float32(1 / 3), np.float32(1 / 7)
    once = (samples.astype(np.float64) * np.float64(scale) + np.float64(offset)).astype(np.float32)
    twice = samples.astype(np.float32) * scale + offset
    assert not np.array_equal(once, twice)
    out = np.empty(len(samples), dtype=np.float32)
    whole = np.array([0]), np.array([len(samples)]), np.array([0]), np.array([0, len(samples)])
    assert COMPILED is not None
    for past_caches in False, True:
        out[:] = np.nan
        COMPILED(*whole, addresses_of(whole[-1], {0: samples}), scale, offset, past_caches, out)
        assert np.array_equal(out, twice)


def test_without_numba_there_is_no_compiled_form(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'numba'", name="numba")

    monkeypatch.setattr(compiled, "_compiled", missing)
    assert compile_gather() is None


def test_a_machine_of_the_other_byte_order_has_no_compiled_form(monkeypatch):
    monkeypatch.setattr(compiled.sys, "byteorder", "big")
    assert compile_gather() is None
