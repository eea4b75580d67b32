import copy
import json
import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import (
    ArraySong,
    DamagedShardError,
    DataStream,
    LaneScheme,
    SchemeError,
    SequentialScheme,
    ShuffledScheme,
    Song,
    StateError,
    Windows,
)
from streams import stream as stream_module
from streams.testing import check_exactly_once, check_resumes_anywhere


def stream_over(song: Song | ArraySong, scheme: type = ShuffledScheme, batch: int = 4, **shape: object) -> DataStream:
    windows = Windows(song, **{"frame": 5, "seq": 4, **shape})
    return DataStream(windows, scheme(len(windows), batch))


@pytest.fixture
def song(samples: np.ndarray) -> ArraySong:
    return ArraySong(samples[:300], 16000)  # 14 examples of 5 x 4: mini-batches of 4, 4, 4, 2


@pytest.fixture
def stream(song: ArraySong) -> DataStream:
    return stream_over(song)


def indices_of(stream: DataStream, count: int | None = None) -> list[list[int]]:
    """Give the indices of mini-batches: of all that are left of an epoch, or of the next `count`."""
    found: list[list[int]] = []
    for _ in stream.get_epoch_iterator():
        found.append(stream.indices.tolist())
        if len(found) == count:
            break
    return found


def resumed(stream: DataStream, state: dict) -> DataStream:
    again = DataStream(stream.windows, type(stream.scheme)(stream.scheme.examples, stream.scheme.batch_size))
    again.load_state_dict(json.loads(json.dumps(state)))
    return again


def test_it_gives_the_windows_in_the_order_of_the_scheme(stream: DataStream) -> None:
    assert stream.sources == ("inputs", "targets")
    for epoch in range(3):
        order = [batch.tolist() for batch in stream.scheme.mini_batches(epoch)]
        for number, batch in enumerate(stream.get_epoch_iterator()):
            assert stream.indices.tolist() == order[number]
            assert (stream.epoch, stream.position) == (epoch, number + 1)
            for ours, theirs in zip(batch, stream.windows.read(order[number]), strict=True):
                assert np.array_equal(ours, theirs)
        assert number == 3


@settings(max_examples=25, deadline=None)
@given(
    examples=st.integers(1, 14),
    batch=st.integers(1, 15),
    scheme=st.sampled_from([SequentialScheme, ShuffledScheme]),
    hop=st.integers(1, 25),
    epochs=st.integers(1, 3),
)
def test_it_resumes_anywhere_and_gives_each_example_once(make_samples, examples, batch, scheme, hop, epochs) -> None:
    song = ArraySong(make_samples(25 + (examples - 1) * hop), 16000)

    def make() -> DataStream:
        return stream_over(song, scheme, batch, hop=hop)

    assert make().scheme.examples == examples
    check_resumes_anywhere(make, epochs)
    check_exactly_once(make())


def test_it_resumes_over_shards(shards) -> None:
    check_resumes_anywhere(lambda: stream_over(Song.open(shards), batch=11), epochs=2)
    check_exactly_once(stream_over(Song.open(shards), batch=11))


def test_a_state_at_the_very_end_of_an_epoch_leads_to_the_next(stream: DataStream) -> None:
    order = [[batch.tolist() for batch in stream.scheme.mini_batches(epoch)] for epoch in range(3)]
    iterator = stream.get_epoch_iterator()
    for _ in range(4):
        next(iterator)
    given_all = stream.state_dict()
    assert next(iterator, None) is None
    exhausted = stream.state_dict()

    assert (given_all["epoch"], given_all["position"]) == (0, 4)
    assert exhausted == given_all
    assert indices_of(resumed(stream, given_all)) == order[1]
    assert indices_of(stream) == order[1]
    assert indices_of(stream) == order[2]


def test_a_state_before_the_first_mini_batch_is_the_whole_epoch(stream: DataStream) -> None:
    indices_of(stream)
    stream.get_epoch_iterator()
    state = stream.state_dict()

    assert (state["epoch"], state["position"]) == (1, 0)
    assert indices_of(resumed(stream, state)) == [batch.tolist() for batch in stream.scheme.mini_batches(1)]


def test_a_loop_that_was_left_goes_on_where_it_was(stream: DataStream) -> None:
    order = [batch.tolist() for batch in stream.scheme.mini_batches(0)]

    assert indices_of(stream, 1) + indices_of(stream, 2) + indices_of(stream) == order


def test_the_state_is_small_plain_json(shards) -> None:
    stream = stream_over(Song.open(shards), frame=np.int64(5), stop=np.int64(700))
    indices_of(stream, 3)
    state = stream.state_dict()

    assert json.loads(json.dumps(state)) == state
    assert state == {
        "format": "streams.state",
        "version": 1,
        "song": Song.open(shards).digest,
        "windows": {"frame": 5, "seq": 4, "hop": 20, "start": 0, "stop": 700, "normalise": "minmax"},
        "scheme": {"name": "ShuffledScheme", "examples": 35, "batch_size": 4, "seed": 1},
        "epoch": 0,
        "position": 3,
    }


def test_a_state_fits_the_same_song_however_it_is_stored(shards, samples: np.ndarray) -> None:
    on_disk, in_memory = stream_over(Song.open(shards)), stream_over(ArraySong(samples, 16000))
    indices_of(on_disk, 3)
    in_memory.load_state_dict(on_disk.state_dict())

    assert indices_of(in_memory) == indices_of(on_disk)


def test_the_schemes_own_count_of_epochs_is_left_alone(stream: DataStream) -> None:
    indices_of(stream)
    first = [batch.tolist() for batch in stream.scheme.get_request_iterator()]

    assert first == [batch.tolist() for batch in ShuffledScheme(14, 4).mini_batches(0)]
    assert indices_of(stream) == [batch.tolist() for batch in stream.scheme.mini_batches(1)]


OTHERS: dict[str, tuple[Callable[[np.ndarray], DataStream], str]] = {
    "song": (lambda x: stream_over(ArraySong(x[1:301], 16000)), "song '"),
    "frame": (lambda x: stream_over(ArraySong(x[:300], 16000), frame=4, seq=5, hop=20), "windows.frame 5 and not 4"),
    "hop": (lambda x: stream_over(ArraySong(x[:300], 16000), hop=21), "windows.hop 20 and not 21"),
    "start": (lambda x: stream_over(ArraySong(x[:300], 16000), start=1), "windows.start 0 and not 1"),
    "stop": (lambda x: stream_over(ArraySong(x[:300], 16000), stop=299), "windows.stop 300 and not 299"),
    "normalise": (
        lambda x: stream_over(ArraySong(x[:300], 16000), normalise="none"),
        "windows.normalise 'minmax' and not 'none'",
    ),
    "batch": (lambda x: stream_over(ArraySong(x[:300], 16000), batch=5), "scheme.batch_size 4 and not 5"),
    "scheme": (
        lambda x: stream_over(ArraySong(x[:300], 16000), SequentialScheme),
        "scheme.name 'ShuffledScheme' and not 'SequentialScheme', scheme.seed 1 and not None",
    ),
    "seed": (
        lambda x: DataStream(Windows(ArraySong(x[:300], 16000), 5, 4), ShuffledScheme(14, 4, seed=2)),
        "scheme.seed 1 and not 2",
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_state_of_something_else_is_refused_by_name(stream: DataStream, samples: np.ndarray, other: str) -> None:
    make, words = OTHERS[other]
    indices_of(stream, 2)
    loading = make(samples)
    before = loading.state_dict()

    with pytest.raises(StateError, match=f"the state is of .*{words}"):
        loading.load_state_dict(stream.state_dict())
    assert loading.state_dict() == before


def test_a_state_of_another_song_names_both(stream: DataStream, samples: np.ndarray) -> None:
    other = stream_over(ArraySong(samples[1:301], 16000))

    with pytest.raises(StateError) as caught:
        other.load_state_dict(stream.state_dict())
    assert stream.windows.song.digest in str(caught.value)
    assert other.windows.song.digest in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "streams.index", "not the state of a stream"),
        ("format", None, "not the state of a stream"),
        ("version", 2, "version 2 of the state is newer than 1"),
        ("version", 0, "version of the state is 0"),
        ("version", None, "version of the state is None"),
        ("song", None, "song None and not"),
        ("windows", None, "windows.frame None and not 5"),
        ("windows", [], "windows.frame None and not 5"),
        ("scheme", "ShuffledScheme", "scheme.name None"),
        ("epoch", -1, "epoch of the state is -1"),
        ("epoch", 0.0, "epoch of the state is 0.0"),
        ("position", 5, "position of the state is 5: give a whole number, from 0 to 4"),
        ("position", -1, "position of the state is -1"),
        ("position", True, "position of the state is True"),
        ("position", "1", "position of the state is '1'"),
    ],
)
def test_a_state_that_cannot_be_is_refused(stream: DataStream, key: str, value: object, words: str) -> None:
    indices_of(stream, 2)
    state = copy.deepcopy(stream.state_dict())
    state[key] = value

    with pytest.raises(StateError, match=words):
        stream.load_state_dict(state)
    assert (stream.epoch, stream.position) == (0, 2)


@pytest.mark.parametrize("state", [None, [], "state", {}])
def test_what_is_no_state_is_refused(stream: DataStream, state: object) -> None:
    with pytest.raises(StateError, match="not the state of a stream"):
        stream.load_state_dict(state)


def test_an_iterator_of_before_says_so_instead_of_giving_mini_batches(stream: DataStream) -> None:
    state = stream.state_dict()
    old = stream.get_epoch_iterator()
    next(old)
    new = stream.get_epoch_iterator()
    with pytest.raises(StateError, match="this iterator is of before"):
        next(old)
    next(new)
    stream.load_state_dict(state)
    with pytest.raises(StateError, match="this iterator is of before"):
        next(new)

    assert indices_of(stream) == [batch.tolist() for batch in stream.scheme.mini_batches(0)]


def test_the_indices_are_those_of_the_mini_batch_given_last(stream: DataStream) -> None:
    assert stream.indices.tolist() == []
    assert stream.indices.dtype == np.int64
    indices_of(stream, 1)
    assert len(stream.indices) == 4
    stream.load_state_dict(stream.state_dict())
    assert stream.indices.tolist() == []


def test_a_mini_batch_that_could_not_be_read_counts_as_not_given(shards) -> None:
    stream = stream_over(Song.open(shards), SequentialScheme)
    path = shards / "song-000001.tar"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[stream.windows.song.index.shards[1].members[0].offset] ^= 1
    path.write_bytes(data)

    iterator = stream.get_epoch_iterator()
    next(iterator)
    with pytest.raises(DamagedShardError, match="song-000001"):
        next(iterator)
    assert stream.position == 1
    path.write_bytes(whole)
    assert indices_of(stream, 1) == [[4, 5, 6, 7]]


def test_a_scheme_of_another_number_of_examples_is_refused(stream: DataStream) -> None:
    with pytest.raises(SchemeError, match="orders 13 examples and the windows have 14"):
        DataStream(stream.windows, ShuffledScheme(13))


def test_no_examples_are_epochs_without_mini_batches(song: ArraySong) -> None:
    stream = stream_over(song, frame=300)

    assert [list(stream.get_epoch_iterator()) for _ in range(2)] == [[], []]
    resumed(stream, stream.state_dict())


def test_a_mini_batch_may_be_a_dictionary_of_its_sources(stream: DataStream) -> None:
    pairs = list(stream.get_epoch_iterator())
    stream.load_state_dict({**stream.state_dict(), "epoch": 0, "position": 0})
    dictionaries = list(stream.get_epoch_iterator(as_dict=True))

    assert len(pairs) == len(dictionaries) == 4
    for (inputs, targets), named in zip(pairs, dictionaries, strict=True):
        assert list(named) == ["inputs", "targets"]
        assert np.array_equal(named["inputs"], inputs)
        assert np.array_equal(named["targets"], targets)


def test_examples_may_be_read_in_another_way(stream: DataStream) -> None:
    order = [batch.tolist() for batch in stream.scheme.mini_batches(0)]
    numbers = list(stream.read_epoch(lambda indices: indices.tolist()))
    assert numbers == order
    samples = list(stream.read_epoch(stream.windows.read_samples))
    assert [batch.shape for batch in samples] == [(4, 5, 5), (4, 5, 5), (4, 5, 5), (2, 5, 5)]
    assert stream.state_dict()["epoch"] == 1


@pytest.mark.parametrize("world_size", [1, 3])
def test_the_rows_of_a_lane_begin_anew_once_an_epoch(song: ArraySong, world_size: int) -> None:
    windows = Windows(song, 5, 4)
    for rank in range(world_size):
        stream = DataStream(windows, LaneScheme(14, 4), rank=rank, world_size=world_size)
        assert stream.resets.tolist() == []
        for _ in range(2):
            resets = [stream.resets.tolist() for _ in stream.get_epoch_iterator()]
            rows = [len(row) for row in resets]
            assert resets == [[number == 0] * count for number, count in enumerate(rows)]


def test_rows_of_other_schemes_begin_anew_each_time(stream: DataStream) -> None:
    assert [stream.resets.tolist() for _ in stream.get_epoch_iterator()] == [[True] * 4] * 3 + [[True] * 2]


def test_lanes_need_windows_that_follow_each_other(song: ArraySong) -> None:
    windows = Windows(song, 5, 4, hop=19)
    with pytest.raises(SchemeError, match="hop is 19: give windows with a hop of 20"):
        DataStream(windows, LaneScheme(len(windows), 4))


def test_the_environment_says_which_rank_this_is(song: ArraySong, monkeypatch) -> None:
    windows = Windows(song, 5, 4)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    stream = DataStream(windows, SequentialScheme(14, 4))
    assert (stream.rank, stream.world_size) == (2, 3)
    assert indices_of(stream) == [[2, 3], [6, 7], [10, 11], [13]]
    alone = DataStream(windows, SequentialScheme(14, 4), rank=0, world_size=1)
    assert len(indices_of(alone)[0]) == 4
    for name, value in ("RANK", "3"), ("RANK", "-1"), ("RANK", "one"), ("WORLD_SIZE", "0"), ("WORLD_SIZE", "\u0663"):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            with pytest.raises(SchemeError, match=rf"{name.lower()} is .*\({name} in the environment\)"):
                DataStream(windows, SequentialScheme(14, 4))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 1, "world_size": 1}, "rank is 1"),
        ({"rank": 0, "world_size": 0}, "world_size is 0"),
        ({"rank": 1.0, "world_size": 2}, "rank is 1.0"),
        ({"prefetch": -1}, "prefetch is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": True}, "threads is True"),
    ],
)
def test_numbers_that_cannot_be_are_refused(song: ArraySong, options: dict, words: str) -> None:
    windows = Windows(song, 5, 4)
    with pytest.raises(SchemeError, match=words):
        DataStream(windows, SequentialScheme(14, 4), **options)


def test_what_the_consumer_waited_is_counted(song: ArraySong, monkeypatch) -> None:
    windows = Windows(song, 5, 4)
    stream = DataStream(windows, SequentialScheme(14, 4))
    clock = iter(range(100))
    monkeypatch.setattr(stream_module.time, "perf_counter", lambda: next(clock))
    list(stream.get_epoch_iterator())
    assert stream.waited_seconds == 5  # four mini-batches and the end, a second each


def test_a_stream_that_is_closed_goes_on_with_a_new_iterator(song: ArraySong) -> None:
    windows = Windows(song, 5, 4)
    stream = DataStream(windows, SequentialScheme(14, 4), prefetch=2)
    iterator = stream.get_epoch_iterator()
    next(iterator)
    stream.close()
    with pytest.raises(StateError, match="of before"):
        next(iterator)
    assert indices_of(stream) == [[4, 5, 6, 7], [8, 9, 10, 11], [12, 13]]
    for thread in threading.enumerate():
        if thread.name.startswith("prefetch"):
            thread.join(10)
            assert not thread.is_alive()


def test_a_mini_batch_that_fails_in_a_thread_counts_as_not_given(shards) -> None:
    stream = stream_over(Song.open(shards), SequentialScheme)
    ahead = DataStream(stream.windows, stream.scheme, prefetch=3, threads=2)
    path = shards / "song-000001.tar"
    whole = path.read_bytes()
    data = bytearray(whole)
    data[stream.windows.song.index.shards[1].members[0].offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedShardError, match="song-000001"):
        list(ahead.get_epoch_iterator())
    assert ahead.position == 1
    for thread in threading.enumerate():
        if thread.name.startswith("prefetch"):
            thread.join()  # they may still look at the file, which is about to be shorter for a moment
    path.write_bytes(whole)
    assert indices_of(ahead, 1) == [[4, 5, 6, 7]]


def test_memory_of_mini_batches_is_used_again_and_never_while_it_is_held(song: ArraySong) -> None:
    windows = Windows(song, 5, 4)
    stream = DataStream(windows, SequentialScheme(14, 4))
    places, held = [], []
    for _ in range(3):
        for inputs, _targets in stream.get_epoch_iterator():
            places.append(inputs.__array_interface__["data"][0])
    assert len(set(places)) <= 3
    for inputs, targets in stream.get_epoch_iterator():
        held.append((inputs, targets, inputs.copy(), targets.copy()))
    for inputs, targets, inputs_then, targets_then in held:
        assert np.array_equal(inputs, inputs_then)
        assert np.array_equal(targets, targets_then)
