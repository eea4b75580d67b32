import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import SchemeError
from streams.schemes import SequentialScheme, ShuffledScheme

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.npz"))


def epoch_of(scheme: SequentialScheme | ShuffledScheme) -> list[list[int]]:
    return [batch.tolist() for batch in scheme.get_request_iterator()]


def without_padding(rows: np.ndarray) -> list[list[int]]:
    return [[index for index in row if index >= 0] for row in rows.tolist()]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_orders_that_the_stack_computed(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        meta, order, dev_order = json.loads(str(file["meta"])), file["order"], file["dev_order"]
    train = ShuffledScheme(meta["n_train"], meta["batch"], seed=1)
    dev = ShuffledScheme(meta["n_dev"], meta["batch"], seed=1)

    assert [batch for _ in range(meta["epochs"]) for batch in epoch_of(train)] == without_padding(order)
    assert [epoch_of(dev) for _ in range(meta["epochs"] + 1)] == [without_padding(rows) for rows in dev_order]


def test_there_are_nine_golden_files() -> None:
    assert len(GOLDEN) == 9


@settings(deadline=None)
@given(
    examples=st.integers(0, 400),
    batch=st.integers(1, 130),
    seed=st.integers(0, 2**32 - 1),
    epochs=st.lists(st.integers(0, 12), min_size=1, max_size=6),
)
def test_fuels_way_is_ours_in_any_order_of_asking(examples, batch, seed, epochs) -> None:
    """A list shuffled epoch after epoch by one generator, against arrays asked for at random."""
    generator, orders = np.random.RandomState(seed), []
    for _ in range(13):
        order = list(range(examples))
        generator.shuffle(order)
        orders.append(order)
    scheme = ShuffledScheme(examples, batch, seed)

    for number in epochs:
        assert scheme.epoch(number).tolist() == orders[number]
    assert [epoch_of(scheme) for _ in range(3)] == [
        [orders[epoch][at : at + batch] for at in range(0, examples, batch)] for epoch in range(3)
    ]


def test_a_long_way_back_is_the_same() -> None:
    scheme, fresh = ShuffledScheme(50, seed=9), ShuffledScheme(50, seed=9)
    forward = [scheme.epoch(number).tolist() for number in range(40)]

    assert fresh.epoch(39).tolist() == forward[39]
    assert [scheme.epoch(number).tolist() for number in reversed(range(40))] == forward[::-1]
    assert len(scheme._before) <= 3


@given(examples=st.integers(0, 300), batch=st.integers(1, 130), first=st.integers(0, 5), epoch=st.integers(0, 3))
def test_sequential_is_in_order_and_cut_alike(examples, batch, first, epoch) -> None:
    scheme = SequentialScheme(examples, batch)
    batches = [found.tolist() for found in scheme.mini_batches(epoch, first)]

    assert batches == [list(range(examples))[at : at + batch] for at in range(0, examples, batch)][first:]


@pytest.mark.parametrize("scheme", [SequentialScheme(300), ShuffledScheme(300)], ids=["sequential", "shuffled"])
def test_mini_batches_of_128_with_a_short_last_one(scheme) -> None:
    assert [len(batch) for batch in scheme.get_request_iterator()] == [128, 128, 44]
    assert len(scheme) == scheme.updates_per_epoch == 3
    assert all(batch.dtype == np.int64 for batch in scheme.get_request_iterator())
    assert [batch.tolist() for batch in scheme.mini_batches(0, 1)] == [
        batch.tolist() for batch in list(scheme.mini_batches(0))[1:]
    ]


def test_the_updates_of_2016() -> None:
    assert len(ShuffledScheme(1600)) * 30 == 390
    assert len(ShuffledScheme(800)) * 30 == 210


def test_an_iterator_keeps_its_epoch_while_the_next_begins() -> None:
    scheme, alone = ShuffledScheme(20, 4), ShuffledScheme(20, 4)
    first, second = scheme.get_request_iterator(), scheme.get_request_iterator()

    assert [batch.tolist() for batch in second] == [batch.tolist() for batch in alone.mini_batches(1)]
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in alone.mini_batches(0)]


def test_an_order_cannot_be_changed_by_who_is_given_it() -> None:
    scheme = ShuffledScheme(20, 4)
    for batch in scheme.mini_batches(0):
        batch[:] = 7
    scheme.epoch(0)[:] = 7

    assert sorted(np.concatenate(list(scheme.mini_batches(0))).tolist()) == list(range(20))


def test_one_list_is_alive_at_a_time_however_many_mini_batches_are_held() -> None:
    examples = 200_000
    scheme = ShuffledScheme(examples, 1000)
    held = []
    tracemalloc.start()
    for epoch in range(3):
        batches = scheme.mini_batches(epoch)
        for _ in range(len(scheme)):
            last = next(batches)  # the end is never asked for
        held.append(last)
    used, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used < 8 * examples / 2
    assert 8 * examples <= peak < 1.5 * 8 * examples


def test_billions_in_sequence_need_no_list() -> None:
    scheme = SequentialScheme(10**15, 3)

    assert next(scheme.mini_batches(0, 10**14)).tolist() == [3 * 10**14, 3 * 10**14 + 1, 3 * 10**14 + 2]


def test_seeds_are_different_orders_and_the_global_generator_is_left_alone() -> None:
    before = np.random.get_state()[1].tolist()

    assert ShuffledScheme(50, seed=1).epoch(0).tolist() != ShuffledScheme(50, seed=2).epoch(0).tolist()
    assert ShuffledScheme(50).epoch(0).tolist() != ShuffledScheme(50).epoch(1).tolist()
    assert np.random.get_state()[1].tolist() == before


def test_identities_tell_orders_apart() -> None:
    assert SequentialScheme(9, 2).identity == {"name": "SequentialScheme", "examples": 9, "batch_size": 2}
    assert ShuffledScheme(9, 2, 3).identity == {
        "name": "ShuffledScheme",
        "examples": 9,
        "batch_size": 2,
        "seed": 3,
    }


@pytest.mark.parametrize("kind", [SequentialScheme, ShuffledScheme])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", -1),
        ("batch_size", 2.0),
        ("batch_size", True),
        ("examples", -1),
        ("examples", None),
    ],
)
def test_numbers_that_cannot_be_are_refused(kind, name, value) -> None:
    with pytest.raises(SchemeError, match=f"{name} is {value!r}"):
        kind(**{"examples": 10, name: value})


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, None])
def test_seeds_that_cannot_be_are_refused(seed) -> None:
    with pytest.raises(SchemeError, match=f"seed is {seed!r}: give a whole number, from 0 to 4294967295"):
        ShuffledScheme(10, seed=seed)


BOTH = pytest.mark.parametrize("scheme", [SequentialScheme(5, 2), ShuffledScheme(5, 2)], ids=["sequential", "shuffled"])


@BOTH
@pytest.mark.parametrize("ask", ["mini_batches", "ahead", "resets"])
def test_epochs_and_mini_batches_that_cannot_be_are_refused(scheme, ask) -> None:
    with pytest.raises(SchemeError, match="epoch is -1"):
        getattr(scheme, ask)(-1, 0)
    with pytest.raises(SchemeError, match=r"(first|number of the mini-batch) is -2"):
        getattr(scheme, ask)(0, -2)
    with pytest.raises(SchemeError, match=r"(first|number of the mini-batch) is 1\.5"):
        getattr(scheme, ask)(0, 1.5)


def test_a_shuffled_epoch_before_the_first_is_refused() -> None:
    with pytest.raises(SchemeError, match="epoch is -1"):
        ShuffledScheme(5).epoch(-1)


@BOTH
def test_no_row_continues_and_the_last_mini_batch_has_fewer(scheme) -> None:
    assert [scheme.resets(3, number).tolist() for number in range(3)] == [[True, True], [True, True], [True]]
    assert [scheme.rows(number) for number in range(3)] == [2, 2, 1]
    assert not scheme.carries
    with pytest.raises(SchemeError, match="number of the mini-batch is 3: give a whole number, from 0 to 2"):
        scheme.rows(3)


@BOTH
def test_behind_the_last_mini_batch_there_is_none(scheme) -> None:
    assert list(scheme.mini_batches(0, 3)) == list(scheme.mini_batches(0, 10**20)) == []


@given(examples=st.integers(0, 300), batch=st.integers(1, 130))
def test_sequential_knows_what_follows_over_the_end_of_the_epoch(examples, batch) -> None:
    scheme = SequentialScheme(examples, batch)

    for number in range(-1, len(scheme)):
        given = min((number + 1) * batch, examples)
        ahead = [example for first, stop in scheme.ahead(0, number) for example in range(first, stop)]
        assert ahead == [*range(given, examples), *range(given)]
        assert all(first < stop for first, stop in scheme.ahead(0, number))


def test_nothing_is_known_ahead_of_a_shuffle_over_all() -> None:
    assert ShuffledScheme(5).ahead(0, -1) == ShuffledScheme(5).ahead(0, 0) == []


def test_a_list_beyond_the_budget_is_refused_with_what_to_do() -> None:
    assert ShuffledScheme(100, budget_bytes=800).identity == ShuffledScheme(100).identity
    with pytest.raises(
        SchemeError, match=r"order of 101 examples is a list of 808 bytes, and the budget is 800: take ShardShuffled"
    ):
        ShuffledScheme(101, budget_bytes=800)
    with pytest.raises(SchemeError, match=r"the budget is 2147483648: .* or give budget_bytes=2147483656"):
        ShuffledScheme(2**28 + 1)
    with pytest.raises(SchemeError, match="budget_bytes is -1"):
        ShuffledScheme(1, budget_bytes=-1)
