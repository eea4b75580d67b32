"""Every chain passes the checkers, and its state names it."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformed import LINKS, Wrap, all_of, chained, halves

from streams import (
    ArraySong,
    DataStream,
    SequentialScheme,
    ShuffledScheme,
    StateError,
    Windows,
)
from streams.lanes import LaneScheme
from streams.testing import check_exactly_once, check_moves, check_ranks, check_resumes_anywhere, check_workers
from streams.transformers import Cast, Mapping, Merge, Rename, ScaleAndShift, Stream


@settings(max_examples=30, deadline=None)
@given(
    links=st.lists(st.sampled_from(sorted(LINKS)), max_size=4),
    merged=st.booleans(),
    scheme=st.sampled_from([SequentialScheme, ShuffledScheme, LaneScheme]),
    examples=st.integers(1, 14),
    batch=st.integers(1, 15),
)
def test_every_chain_passes_the_checkers(make_samples, links, merged, scheme, examples, batch) -> None:
    songs = [ArraySong(make_samples(25 + (examples - 1) * 20, seed), 16000) for seed in range(2)]

    def make(rank: int = 0, world_size: int = 1, threads: int = 0) -> Stream:
        streams = [
            DataStream(
                Windows(song, 5, 4),
                scheme(examples, batch),
                rank=rank,
                world_size=world_size,
                prefetch=threads,
                threads=max(1, threads),
            )
            for song in songs
        ]
        if merged:
            right = chained(streams[1], links[:1])
            return chained(Merge([streams[0], right], list("abcde")[: 2 + len(right.sources)]), links[1:])
        return chained(streams[0], links)

    if not {"added", "first"} & set(links):
        check_exactly_once(make())
    check_exactly_once(make(), targets_follow=False)
    check_resumes_anywhere(make, epochs=2)
    check_ranks(make, [1, 2, 3], epochs=2)
    check_workers(lambda threads: make(threads=threads), [0, 2], epochs=2)
    check_moves(make, [(1, 0), (2, 2)])


def test_the_state_is_small_plain_json_that_names_the_chain(make) -> None:
    stream = Rename(ScaleAndShift(Mapping(make(), halves), np.float32(0.5), 1, ["inputs"]), {"inputs": "x"})
    all_of(stream, 3)
    state = stream.state_dict()

    assert json.loads(json.dumps(state, allow_nan=False)) == state
    alone = make()
    all_of(alone, 3)
    kind = {"format": "streams.transformed", "version": 1}
    two = ["inputs", "targets"]
    mapping = {"name": "Mapping", "sources": two, "mapping": "transformed.halves"}
    scaled = {"name": "ScaleAndShift", "sources": two, "scale": 0.5, "shift": 1.0, "which_sources": ["inputs"]}
    renamed = {"name": "Rename", "sources": ["x", "targets"], "names": {"inputs": "x"}}
    inner = {**kind, "transformer": mapping, "streams": [alone.state_dict()]}
    inner = {**kind, "transformer": scaled, "streams": [inner]}
    assert state == {**kind, "transformer": renamed, "streams": [inner]}


OTHERS: dict[str, tuple[Wrap, str]] = {
    "scale": (lambda stream: ScaleAndShift(stream, 0.4, 0.25), "transformer.scale 0.5 and not 0.4"),
    "shift": (lambda stream: ScaleAndShift(stream, 0.5, 0), "transformer.shift 0.25 and not 0.0"),
    "which": (
        lambda stream: ScaleAndShift(stream, 0.5, 0.25, ["inputs"]),
        r"transformer.which_sources \['inputs', 'targets'\] and not \['inputs'\]",
    ),
    "class": (
        lambda stream: Cast(stream, "float64"),
        "transformer.name 'ScaleAndShift' and not 'Cast'.* and not 'float64'",
    ),
    "names": (
        lambda stream: ScaleAndShift(Rename(stream, {"inputs": "x"}), 0.5, 0.25),
        r"transformer.sources \['inputs', 'targets'\] and not \['x', 'targets'\]",
    ),
    "longer": (lambda stream: ScaleAndShift(Mapping(stream, halves), 0.5, 0.25), "not the state of a Mapping"),
    "shorter": (lambda stream: stream, "not the state of a stream"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_of_another_chain_is_refused_by_name(make, name: str) -> None:
    wrap, words = OTHERS[name]
    saved = LINKS["scale"](make())
    all_of(saved, 2)
    loading = wrap(make())
    all_of(loading, 1)
    before = loading.state_dict()

    with pytest.raises(StateError, match=words):
        loading.load_state_dict(saved.state_dict())
    assert loading.state_dict() == before


def test_a_state_of_another_function_or_type_or_name_is_refused(make) -> None:
    for saved, loading, words in (
        (
            Mapping(make(), halves),
            Mapping(make(), halves, name="other"),
            r"transformer.mapping '.*halves' and not 'other'",
        ),
        (Cast(make(), "float64"), Cast(make(), "float32"), "transformer.dtype 'float64' and not 'float32'"),
        (Rename(make(), {"inputs": "x"}), Rename(make(), {"inputs": "y"}), "transformer.names {'inputs': 'x'} and not"),
    ):
        with pytest.raises(StateError, match=words):
            loading.load_state_dict(saved.state_dict())


def test_the_order_in_which_sources_are_chosen_is_all_the_same(make) -> None:
    saved, loading = (ScaleAndShift(make(), 2, 0, names) for names in (("targets", "inputs"), ("inputs", "targets")))
    all_of(saved, 3)
    loading.load_state_dict(saved.state_dict())

    assert loading.position == 3


def test_an_iterator_of_before_does_not_end_that_of_now(make) -> None:
    stream = LINKS["cast"](LINKS["mapping"](make()))
    old = stream.get_epoch_iterator()
    next(old)
    new = stream.get_epoch_iterator()

    with pytest.raises(StateError, match="this iterator is of before"):
        next(old)
    assert len(list(new)) == 3


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "streams.state", "not the state of a ScaleAndShift"),
        ("version", 2, "version 2 of the state is newer than 1"),
        ("version", "1", "version of the state is '1'"),
        ("transformer", None, "transformer.name None and not 'ScaleAndShift'"),
        ("transformer", [], "transformer.name None and not 'ScaleAndShift'"),
        ("streams", None, "not of 1 wrapped stream"),
        ("streams", [], "not of 1 wrapped stream"),
        ("streams", [None], "not the state of a stream"),
    ],
)
def test_a_state_that_cannot_be_is_refused(make, key: str, value: object, words: str) -> None:
    stream = LINKS["scale"](make())
    all_of(stream, 2)
    state = copy.deepcopy(stream.state_dict())
    state[key] = value

    with pytest.raises(StateError, match=words):
        stream.load_state_dict(state)
    assert stream.position == 2
