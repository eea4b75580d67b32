from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SchemeError
from streams.permutation import LARGEST, TABLE, Permutation, derive_key

KEYS = st.integers(0, 2**64 - 1)


def whole(permutation: Permutation) -> list[int]:
    return permutation(np.arange(permutation.n)).tolist()


@given(n=st.one_of(st.integers(0, 300), st.integers(TABLE - 2, TABLE + 300)), key=KEYS)
def test_each_item_comes_once_and_the_inverse_takes_it_back(n, key) -> None:
    permutation = Permutation(n, key)
    positions = np.arange(n)
    items = permutation(positions)

    assert np.array_equal(np.sort(items), positions)
    assert np.array_equal(permutation.inverse(items), positions)
    assert np.array_equal(permutation(permutation.inverse(positions)), positions)
    assert items.dtype == permutation.inverse(items).dtype == np.int64


@given(n=st.integers(1, LARGEST), key=KEYS, rounds=st.integers(1, 12), data=st.data())
def test_of_any_size_a_position_and_its_item_belong_together(n, key, rounds, data) -> None:
    permutation = Permutation(n, key, rounds)
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=8)), dtype=np.int64)
    items = permutation(positions)

    assert np.all((items >= 0) & (items < n))
    assert np.array_equal(permutation.inverse(items), positions)
    for position, item in zip(positions, items, strict=True):
        assert permutation(position[None]).tolist() == [item]  # whatever else was asked for


@pytest.mark.parametrize("n", [3, 7, 11, 4099, 4161, 99991])
def test_what_lands_outside_walks_on(n, monkeypatch) -> None:
    monkeypatch.setattr("streams.permutation.TABLE", 0)
    a, b = Permutation(n, 0).halves
    assert a * b > n

    for key in range(20):
        permutation = Permutation(n, key)
        assert sorted(whole(permutation)) == list(range(n))
        assert permutation.inverse(permutation(np.arange(n))).tolist() == list(range(n))


def test_what_few_items_are() -> None:
    assert [whole(Permutation(n, 5)) for n in (0, 1)] == [[], [0]]
    assert {tuple(whole(Permutation(2, key))) for key in range(20)} == {(0, 1), (1, 0)}
    assert {tuple(whole(Permutation(3, key))) for key in range(100)} == set(permutations(range(3)))


def test_the_same_bits_on_every_machine() -> None:
    assert whole(Permutation(10, 1)) == [8, 4, 3, 7, 0, 1, 5, 9, 6, 2]
    assert Permutation(5000, derive_key(1, 2, 3))(np.arange(5)).tolist() == [1413, 1830, 4122, 1666, 391]
    assert Permutation(2**62, 7)(np.arange(3)).tolist() == [
        4405712565774394166,
        1069379999037915150,
        1446042086004597797,
    ]


def test_the_hash_is_that_of_splitmix64() -> None:
    """Five numbers from the seed 1234567, as published for those who write it anew (Rosetta Code)."""
    from streams.permutation import _splitmix

    assert _splitmix(1234567, 5).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_keys_of_different_parts_differ() -> None:
    parts = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0, 0), (2**64 - 1,), (2**32,)]

    assert len({derive_key(*given) for given in parts}) == len(parts)
    assert all(0 <= derive_key(*given) < 2**64 for given in parts)
    assert derive_key(1, 2) == derive_key(1, 2) == derive_key(1 + 2**64, 2)
    assert whole(Permutation(9, 3)) == whole(Permutation(9, 3 + 2**64)) != whole(Permutation(9, 4))


@pytest.mark.parametrize("n", [5, 5003])
def test_every_place_is_as_likely_for_an_item(n) -> None:
    """Chi-square over 5 places, for two items and their pair; a permutation of 5 is all places at once."""
    keys, step = 6000, -(-n // 5)
    found = np.array([Permutation(n, derive_key(key, n))(np.array([0, 1])) // step for key in range(keys)])
    for places in (found[:, 0], found[:, 1]):
        counts = np.bincount(places, minlength=5)
        expected = keys * np.array([min(step, n - at * step) for at in range(5)]) / n
        assert ((counts - expected) ** 2 / expected).sum() < 23.5  # 4 degrees of freedom: 1 in 10,000
    pairs = Counter(map(tuple, found.tolist()))
    assert len(pairs) == (20 if n == 5 else 25)
    expected = keys / len(pairs)
    assert sum((count - expected) ** 2 for count in pairs.values()) / expected < 59


def test_pairs_that_share_a_half_do_not_keep_their_distance() -> None:
    """What a network of too few rounds does: with 4 it is seen here, with the rounds that are used it is not."""

    def kept(rounds: int | None) -> int:
        count = 0
        for key in range(400):
            permutation = Permutation(4099, derive_key(key)) if rounds is None else Permutation(4099, key, rounds)
            a, b = permutation.halves
            left, right = np.divmod(np.arange(4099), b)
            distance = (permutation(np.arange(4099)) // b - left) % a
            times = np.bincount(right * a + distance)
            count += int((times * (times - 1) // 2).sum())
        return count

    used, few = kept(None), kept(4)
    assert 1.8 < few / used < 2.2
    assert abs(kept(12) / used - 1) < 0.01


@pytest.mark.parametrize("n", [-1, LARGEST + 1, 2.0, True, None])
def test_sizes_that_cannot_be_are_refused(n) -> None:
    with pytest.raises(SchemeError, match=f"items of a permutation is {n!r}"):
        Permutation(n, 1)


def test_rounds_that_cannot_be_are_refused() -> None:
    with pytest.raises(SchemeError, match="rounds is 0"):
        Permutation(5, 1, rounds=0)


@pytest.mark.parametrize("n", [0, 10, 5000])
@pytest.mark.parametrize("ask", ["__call__", "inverse"])
def test_positions_that_are_not_are_refused(n, ask) -> None:
    permutation = Permutation(n, 1)

    assert getattr(permutation, ask)(np.empty(0, dtype=np.int64)).tolist() == []
    for wrong in (-1, n):
        with pytest.raises(SchemeError, match=f"to {wrong}, of a permutation of {n} items|from {wrong} to"):
            getattr(permutation, ask)(np.array([wrong], dtype=np.int64))
