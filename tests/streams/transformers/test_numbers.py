"""What each transformer does to the numbers."""

import numpy as np
import pytest
from transformed import FOUR, all_of, assert_same, halves, loudness

from streams import (
    SequentialScheme,
    TransformerError,
)
from streams.transformers import Cast, Mapping, Merge, Rename, ScaleAndShift


def test_scale_and_shift_multiplies_and_then_adds_each_rounded(make) -> None:
    scale, shift = np.float32(0.3), np.float32(-0.7)
    for ours, (inputs, targets) in zip(all_of(ScaleAndShift(make(), 0.3, -0.7)), all_of(make()), strict=True):
        assert_same(ours, (inputs * scale + shift, targets * scale + shift))


def test_scale_and_shift_keeps_what_the_numbers_are(make) -> None:
    for dtype, result in ("float32", "float32"), ("float64", "float64"), ("int64", "float64"), ("float16", "float16"):
        stream = ScaleAndShift(Cast(make(normalise="stdev"), dtype), 0.5, 1)
        ((inputs, targets),) = all_of(stream, 1)
        assert inputs.dtype == targets.dtype == result


def test_cast_gives_the_numbers_as_another_type(make) -> None:
    for ours, truth in zip(all_of(Cast(make(), np.float64)), all_of(make()), strict=True):
        assert_same(ours, tuple(array.astype(np.float64) for array in truth))
    for ours, truth in zip(all_of(Cast(make(normalise="none"), "int16")), all_of(make(normalise="none")), strict=True):
        assert_same(ours, tuple(array.astype(np.int16) for array in truth))


def test_cast_cuts_off_what_is_behind_the_point(make) -> None:
    stream = Cast(ScaleAndShift(make(normalise="none"), 0.5, 0), "int32")
    ((inputs, _),) = all_of(stream, 1)
    ((truth, _),) = all_of(make(normalise="none"), 1)

    assert np.array_equal(inputs, np.trunc(truth / 2))
    assert (truth < 0).any()


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float16"])
def test_a_number_that_the_type_cannot_hold_is_refused(make, dtype: str) -> None:
    stream = Cast(ScaleAndShift(make(normalise="none"), 4, 0), dtype)

    with pytest.raises(TransformerError, match=r"do not fit|grows too large"):
        all_of(stream)
    assert stream.position == 0


def test_a_number_that_is_none_is_no_whole_number(make) -> None:
    stream = Cast(Mapping(make(), lambda batch: [array * np.nan for array in batch], name="lost"), "int64")

    with pytest.raises(TransformerError, match="numbers from nan to nan do not fit int64"):
        all_of(stream)


def test_a_scale_that_leaves_the_range_is_refused(make) -> None:
    with pytest.raises(TransformerError, match="ScaleAndShift of 'inputs': a number grows too large"):
        all_of(ScaleAndShift(make(normalise="none"), 3e38, 0))


def test_only_the_chosen_sources_are_touched(make) -> None:
    for chosen in ("inputs",), ("targets",):
        for ours, truth in zip(all_of(ScaleAndShift(make(), 2, 0, chosen)), all_of(make()), strict=True):
            doubled = [
                array * 2 if name in chosen else array for name, array in zip(make().sources, truth, strict=True)
            ]
            assert_same(ours, tuple(doubled))


def test_rename_changes_names_alone_and_all_at_once(make) -> None:
    stream = Rename(make(), {"inputs": "targets", "targets": "inputs"})

    assert stream.sources == ("targets", "inputs")
    for ours, truth in zip(all_of(stream), all_of(make()), strict=True):
        assert_same(ours, truth)


def test_a_mapping_replaces_or_adds(make) -> None:
    added = Mapping(make(), loudness, add_sources=("loudness",))

    assert added.sources == ("inputs", "targets", "loudness")
    for ours, more, truth in zip(all_of(Mapping(make(), halves)), all_of(added), all_of(make()), strict=True):
        assert_same(ours, halves(truth))
        assert_same(more, truth + loudness(truth))


def test_merge_puts_two_songs_side_by_side(make, other) -> None:
    stream = Merge([make(), make(other, SequentialScheme)], FOUR)

    assert stream.sources == FOUR
    first, second = make(), make(other, SequentialScheme)
    for ours, left, right in zip(stream.get_epoch_iterator(), all_of(first), all_of(second), strict=True):
        assert_same(ours, left + right)
    order = [list(alone.scheme.mini_batches(0)) for alone in (first, second)]
    assert stream.indices.tolist() == np.column_stack([order[0][-1], order[1][-1]]).tolist()


def test_mini_batches_are_given_as_dicts_where_asked_for(make) -> None:
    stream = Rename(Cast(make(), "float64"), {"inputs": "x"})

    for named, batch in zip(stream.get_epoch_iterator(as_dict=True), all_of(Cast(make(), "float64")), strict=True):
        assert list(named) == ["x", "targets"]
        assert_same(tuple(named.values()), batch)
