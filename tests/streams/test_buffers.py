import pickle
import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.buffers import Buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_nothing_refers_to_it():
    buffers = Buffers()
    array = buffers.take((3, 4, 5), np.float32)
    first = address(array)
    view = array[:, :-1][1:]
    del array
    held = buffers.take((3, 4, 5), np.float32)
    assert address(held) != first  # a view of a view still holds it
    del view
    assert address(buffers.take((3, 4, 5), np.float32)) == first


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 40), st.sampled_from([np.int16, np.float32])), max_size=30))
def test_what_is_held_is_never_given_to_another(steps):
    """Take and let go in any order, in any sizes: what is held keeps what was written to it."""
    buffers = Buffers()
    held = {}
    for number, (slot, size, kind) in enumerate(steps):
        held.pop(slot, None)
        array = buffers.take((size, 3), kind)
        assert array.shape == (size, 3)
        assert array.dtype == kind
        assert array.flags.writeable
        array[:] = number
        held[slot] = array, number
        for array, value in held.values():
            assert (array == value).all()


def test_it_begins_where_a_vector_register_can_be_loaded():
    buffers = Buffers()
    assert all(address(buffers.take((size,), np.float32)) % 64 == 0 for size in range(1, 50))


def test_a_short_mini_batch_uses_the_memory_of_a_whole_one_and_not_the_other_way():
    buffers = Buffers()
    whole = address(buffers.take((128, 10), np.float32))
    assert address(buffers.take((7, 10), np.float32)) == whole
    larger = buffers.take((200, 10), np.float32)
    assert larger.size == 2000


def test_no_more_than_asked_for_is_kept():
    buffers = Buffers(most=2)
    arrays = [buffers.take((10 + size,), np.float32) for size in range(5)]
    assert len({address(array) for array in arrays}) == 5
    largest = {address(array) for array in arrays[-2:]}
    del arrays
    assert {address(array) for array in [buffers.take((14,), np.float32), buffers.take((13,), np.float32)]} == largest


def test_threads_may_take_and_let_go():
    buffers, wrong = Buffers(), []

    def work(value):
        for _ in range(300):
            array = buffers.take((64,), np.int16)
            array[:] = value
            if not (array == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_its_memory_stays_where_it_is_when_it_goes_to_another_process():
    buffers = Buffers()
    buffers.take((1000, 1000), np.float32)
    assert len(pickle.dumps(buffers)) < 200
