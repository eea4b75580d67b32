"""What stands in the files of a run is held against bounds before anything is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import RunError
from longsong.fields import CONFIG, DEV, GENERATED, GRID_RUN, STATE, SUMMARY, UPDATE, require

ALL = {
    name: fits for fields in (CONFIG, UPDATE, DEV, SUMMARY, GENERATED, STATE, GRID_RUN) for name, fits in fields.items()
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**500), 10**500)
    | st.floats()
    | st.text()
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00+00:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(ALL)), ANYTHING)
def test_any_value_fits_or_is_refused_in_a_line(name, value):
    found = value
    for part in reversed(name.split(".")):
        found = {part: found}
    said = None
    try:
        require(found, {name: ALL[name]}, "x.json")
    except RunError as error:
        said = str(error)
    assert said is None or (name in said and len(said) < 2000)


@pytest.mark.parametrize(
    ("name", "fits", "refused"),
    [
        ("song.samples", [1, 10**12], [0, -1, 10**400, 1.0, True]),
        ("song.scale", [6e-5, 1.0], [0, 1e-320, 1e300, float("nan")]),
        ("song.offset", [0, -1.5], [1e300, float("-inf")]),
        ("song.minimum", [-32768], [-32769, 32768]),
        ("song.shards", ["shards/x", "https://x/y"], ["a" * 5000, 3, None]),
        ("model.hidden", [199, 10**6], [0, 10**6 + 1]),
        ("model.layers", [2], [1001]),
        ("training.epochs", [30, 10**9], [0, 10**9 + 1]),
        ("training.seed", [0, 2**32 - 1], [-1, 2**32]),
        ("training.learning_rate", [0.002], [0, -1, 10**400]),
        ("train_cost", [0.5, 0], [float("inf"), 1e101, 10**400]),
        ("seconds_per_update", [0.1], [0, -1]),
        ("training_seconds", [0, 5.0], [-1.0]),
        ("ended", ["2026-01-01T00:00:00+00:00"], ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", 3, "x"]),
    ],
)
def test_bounds(name, fits, refused):
    assert [value for value in fits if not ALL[name](value)] == []
    assert [value for value in refused if ALL[name](value)] == []


def test_the_seconds_of_an_update_are_not_below_zero():
    assert UPDATE["seconds"](0.0)
    assert not UPDATE["seconds"](-1.0)
