"""What cannot be is refused by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from transformed import FOUR, Wrap, all_of, halves

from streams import (
    SequentialScheme,
    StateError,
    TransformerError,
)
from streams.transformers import Batch, Cast, Mapping, Merge, Rename, ScaleAndShift


@pytest.mark.parametrize(
    ("make_it", "words"),
    [
        (lambda s: ScaleAndShift(s, "2", 0), "scale is '2': give a real number"),
        (lambda s: ScaleAndShift(s, True, 0), "scale is True: give a real number"),
        (lambda s: ScaleAndShift(s, 1j, 0), "scale is 1j: give a real number"),
        (lambda s: ScaleAndShift(s, 1, float("nan")), "shift is nan: give a finite number"),
        (lambda s: ScaleAndShift(s, 1e39, 0), "scale is 1e[+]39: give a finite number that float32 can hold"),
        (
            lambda s: ScaleAndShift(s, 1, 0, ("input",)),
            r"no source is called 'input': choose of \('inputs', 'targets'\)",
        ),
        (lambda s: ScaleAndShift(s, 1, 0, "inputs"), "which_sources is 'inputs': give names in a tuple"),
        (lambda s: ScaleAndShift(s, 1, 0, ("inputs", "inputs")), "a name stands twice"),
        (lambda s: ScaleAndShift(s, 1, 0, 7), "which_sources is 7: give names in a tuple"),
        (lambda s: Cast(s, "floatX"), "dtype is 'floatX': give a type of numpy"),
        (lambda s: Cast(s, None), "dtype is None: give a type of whole or real numbers"),
        (lambda s: Cast(s, "O"), "dtype is 'O'"),
        (lambda s: Cast(s, "U5"), "dtype is 'U5'"),
        (lambda s: Cast(s, "complex64"), "dtype is 'complex64'"),
        (lambda s: Cast(s, "bool"), "dtype is 'bool'"),
        (lambda s: Cast(s, [("a", "f4")]), r"dtype is \[\('a', 'f4'\)\]"),
        (lambda s: Cast(s, np.dtype("f4").newbyteorder()), "dtype is dtype"),
        (lambda s: Cast(s, "float64", ("x",)), "no source is called 'x'"),
        (lambda s: Rename(s, {"x": "y"}), "no source is called 'x': rename those of"),
        (lambda s: Rename(s, {"inputs": "targets"}), r"sources \('targets', 'targets'\): a name stands twice"),
        (lambda s: Rename(s, {"inputs": ""}), "sources has '' in it"),
        (lambda s: Rename(s, {"inputs": 5}), "sources has 5 in it"),
        (lambda s: Rename(s, ["inputs"]), r"names is \['inputs'\]: give a mapping"),
        (lambda s: Mapping(s, "halves"), "mapping is 'halves': give a function"),
        (lambda s: Mapping(s, lambda batch: batch), "has no name to be known by in a state: give name="),
        (lambda s: Mapping(s, partial(halves)), "has no name to be known by in a state: give name="),
        (lambda s: Mapping(s, halves, name=""), "name of the mapping is ''"),
        (lambda s: Mapping(s, halves, name=3), "name of the mapping is 3"),
        (lambda s: Mapping(s, halves, ("inputs",)), "'inputs'.*: a name stands twice"),
        (lambda s: Mapping(s, halves, "x"), "add_sources is 'x': give names in a tuple"),
        (lambda s: Merge([s], ("a", "b")), r"1 stream\(s\) to merge: give two or more"),
        (lambda s: Merge([s, s], FOUR), "one stream is to be merged twice"),
        (lambda s: Merge([s, Cast(s, "float64")], FOUR), "one stream is to be merged twice"),
    ],
)
def test_what_cannot_be_is_refused_by_name(make, make_it: Wrap, words: str) -> None:
    with pytest.raises(TransformerError, match=words):
        make_it(make())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (lambda batch: batch[:1], r"gave 1 of them: give a tuple of 2 arrays, \('inputs', 'targets'\)"),
        (lambda batch: batch * 2, "gave 4 of them"),
        (lambda batch: batch[0], "gave a ndarray: give a tuple of 2 arrays"),
        (lambda batch: None, "gave a NoneType"),
        (lambda batch: (batch[0], 5), "gave a int for 'targets': give an array of 4 rows"),
        (lambda batch: (batch[0][:3], batch[1]), r"gave shape \(3, 4, 5\) for 'inputs': give an array of 4 rows"),
        (lambda batch: (batch[0], batch[1].sum()), "gave a float32 for 'targets': give an array of 4 rows"),
        (lambda batch: (batch[0], np.array(5)), r"gave shape \(\) for 'targets'"),
    ],
)
def test_a_mapping_that_gives_something_else_is_refused(make, found: Callable[[Batch], Any], words: str) -> None:
    stream = Mapping(make(), found, name="wrong")

    with pytest.raises(TransformerError, match=f"mapping 'wrong' {words}"):
        all_of(stream)
    assert stream.position == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stop": 279}, r"the streams have \[14, 13\] examples: merge"),
        ({"hop": 10}, r"the streams have \[14, 28\] examples: merge"),
        ({"batch": 5}, r"the streams have \[4, 5\] examples in a mini-batch: merge"),
        ({"rank": 1, "world_size": 2}, r"the streams have \[1, 2\] ranks: merge"),
    ],
)
def test_streams_that_do_not_go_in_step_are_not_merged(make, other, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TransformerError, match=words):
        Merge([make(), make(other, **changes)], FOUR)


def test_other_ranks_and_other_names_are_not_merged(make, other) -> None:
    with pytest.raises(TransformerError, match=r"the streams have \[0, 1\] as their rank"):
        Merge([make(rank=rank, world_size=2) for rank in range(2)], FOUR)
    with pytest.raises(TransformerError, match=r"sources \('a', 'b', 'c'\): the streams have 4; give as many names"):
        Merge([make(), make(other)], FOUR[:3])
    with pytest.raises(TransformerError, match="a name stands twice"):
        Merge([make(), make(other)], ("a", "b", "a", "b"))


def test_streams_that_cut_otherwise_are_noticed_at_the_mini_batch(make, other) -> None:
    uneven = make(other, SequentialScheme)
    uneven.scheme.mini_batches = lambda epoch, first=0: iter(np.split(np.arange(14), [3, 7, 11]))

    with pytest.raises(TransformerError, match=r"mini-batch 1 has \[4, 4, 3, 3\] rows"):
        all_of(Merge([make(), uneven], FOUR))


def test_a_stream_that_ends_early_is_noticed_before_half_a_mini_batch_is_given(make, other) -> None:
    early = make(other, SequentialScheme)
    early.scheme.mini_batches = lambda epoch, first=0: iter(np.split(np.arange(12), 3)[first:])
    stream = Merge([make(), early], FOUR)

    with pytest.raises(StateError, match=r"different places, .* \[\(0, 4\), \(0, 3\)\]"):
        all_of(stream)
    assert stream.position == 3
