from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streams import ArraySong, DamagedShardError, Statistics, WindowError, Windows, kernel, train_samples
from streams.normalise import Normaliser


def fits(samples: int, frame: int, seq: int, hop: int, start: int, stop: int) -> int:
    """Count examples one by one (FACTS section 5)."""
    count = 0
    while start + frame * seq <= stop and start + frame * (seq + 1) <= samples:
        count, start = count + 1, start + hop
    return count


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_law(make_song, make_samples, data) -> None:
    """What is read is the slice of the int16 song, normalised bit for bit, over members and shards."""
    count = data.draw(st.integers(2, 300), "samples")
    samples = make_samples(count)
    assume(samples.min() < samples.max())
    song = make_song(
        samples,
        block_samples=data.draw(st.integers(1, 60), "block"),
        blocks_per_shard=data.draw(st.integers(1, 5), "blocks"),
    )
    for _ in range(5):
        frame, seq = data.draw(st.integers(1, 20), "frame"), data.draw(st.integers(1, 10), "seq")
        hop = data.draw(st.none() | st.integers(1, 80), "hop")
        start = data.draw(st.integers(0, count), "start")
        stop = data.draw(st.none() | st.integers(start, count), "stop")
        kind = data.draw(st.sampled_from(["minmax", "stdev", "none"]), "normalise")
        windows = Windows(song, frame=frame, seq=seq, hop=hop, start=start, stop=stop, normalise=kind)

        step, end = hop or frame * seq, count if stop is None else stop
        assert len(windows) == fits(count, frame, seq, step, start, end)
        if len(windows) == 0:
            continue
        indices = data.draw(st.lists(st.integers(0, len(windows) - 1), min_size=1, max_size=6), "indices")
        inputs, targets = windows.read(indices)
        scale, offset = np.float32(windows.normaliser.scale), np.float32(windows.normaliser.offset)
        for row, index in enumerate(indices):
            first = start + index * step
            assert windows.first_sample(index) == first
            whole = samples[first : first + frame * (seq + 1)].astype(np.float32) * scale + offset
            assert np.array_equal(inputs[row], whole[: frame * seq].reshape(seq, frame))
            assert np.array_equal(targets[row], whole[frame:].reshape(seq, frame))


def test_both_are_views_of_one_buffer(samples: np.ndarray) -> None:
    inputs, targets = Windows(ArraySong(samples, 16000), frame=10, seq=5).read(np.array([3, 0, 3]))

    assert inputs.shape == targets.shape == (3, 5, 10)
    assert inputs.dtype == targets.dtype == np.float32
    assert inputs.base is targets.base
    assert targets.ctypes.data == inputs.ctypes.data + inputs.strides[1]
    assert np.shares_memory(inputs[1, 1], targets[1, 0])
    assert np.array_equal(inputs[0], inputs[2])


def test_rows_longer_than_a_piece(make_song, make_samples, monkeypatch) -> None:
    monkeypatch.setattr(kernel, "_PIECE", 7)
    samples = make_samples(500)
    inputs, targets = Windows(make_song(samples), 10, 20, hop=3, normalise="none").read([0, 66])

    for row, first in enumerate((0, 198)):
        assert np.array_equal(inputs[row].ravel(), samples[first : first + 200])
        assert np.array_equal(targets[row].ravel(), samples[first + 10 : first + 210])


def test_no_examples_is_a_batch_of_none(samples: np.ndarray) -> None:
    inputs, targets = Windows(ArraySong(samples, 16000), frame=10, seq=5).read([])

    assert inputs.shape == targets.shape == (0, 5, 10)


def test_the_last_target_may_lie_beyond_the_split(samples: np.ndarray) -> None:
    song = ArraySong(samples, 16000)

    assert len(Windows(song, frame=10, seq=5, stop=500)) == 10
    assert len(Windows(song, frame=10, seq=5, stop=499)) == 9
    assert len(Windows(song, frame=10, seq=5)) == 19
    assert len(Windows(song, frame=10, seq=99)) == 1
    assert len(Windows(song, frame=10, seq=100)) == 0


class LongSong:
    """A song far longer than memory, that is not read."""

    sample_rate, digest, statistics = 16000, "ab" * 32, Statistics(2, 1, 1, 0, 1)

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, key: slice) -> np.ndarray:
        raise NotImplementedError

    def read_into(self, starts: np.ndarray, out: np.ndarray) -> None:
        raise NotImplementedError

    def gather(self, starts: np.ndarray, normaliser: Normaliser, out: np.ndarray) -> None:
        normaliser.apply((starts[:, None] % 1000 + np.arange(out.shape[1])).astype(np.int16), out)


def test_the_counts_of_the_song_of_2016() -> None:
    song = LongSong(174_224_000)
    train = train_samples(len(song))
    assert train == 160_000_000

    def counts(frame: int, seq: int) -> tuple[int, int]:
        return len(Windows(song, frame, seq, stop=train)), len(Windows(song, frame, seq, start=train))

    assert counts(1000, 100)[0] == 1600
    assert counts(4000, 50)[0] == 800
    assert counts(40000, 10000) == (0, 0)
    assert counts(40000, 4000) == (1, 0)
    assert counts(4000, 10000) == counts(40000, 1000) == (4, 0)


@pytest.mark.parametrize("samples", [0, 1, 2, 3_200_000, 174_223_999, 10**15 + 7])
def test_the_split_is_the_fraction_rounded_down(samples: int) -> None:
    split = train_samples(samples)

    assert split * 174_224_000 <= samples * 160_000_000 < (split + 1) * 174_224_000


def test_nothing_overflows() -> None:
    windows = Windows(LongSong(2**62), frame=1, seq=3, hop=1, normalise="none")
    last = 2**62 - 4

    assert len(windows) == last + 1
    assert windows.first_sample(np.int64(last)) == last
    assert windows.read(np.array([last]))[0].tolist() == [[[last % 1000], [last % 1000 + 1], [last % 1000 + 2]]]
    for shape in {"frame": 2**62, "seq": 1}, {"frame": 1, "seq": 2**62}, {"frame": 2**40, "seq": 2**40}:
        with pytest.raises(WindowError, match="are more than any song has"):
            Windows(LongSong(2**62), **shape)
    with pytest.raises(WindowError, match=f"hop is {2**63}, more samples than any song has"):
        Windows(LongSong(2**62), frame=1, seq=1, hop=2**63)
    assert Windows(LongSong(100), frame=10, seq=2, hop=2**62, normalise="none").read([0])[0].shape == (1, 2, 10)


@pytest.mark.parametrize("index", [-1, 19, 2**70, 1.0, True, None, "0", [0]])
def test_examples_that_are_none_are_refused(samples: np.ndarray, index: object) -> None:
    windows = Windows(ArraySong(samples, 16000), frame=10, seq=5)

    with pytest.raises(WindowError, match="example is"):
        windows.read([0, index])


@pytest.mark.parametrize("indices", [np.zeros(2), np.zeros((2, 1), int), np.array([True])])
def test_indices_of_another_kind_are_refused(samples: np.ndarray, indices: np.ndarray) -> None:
    with pytest.raises(WindowError, match="example is"):
        Windows(ArraySong(samples, 16000), frame=10, seq=5).read(indices)


def test_windows_without_an_example_say_so(samples: np.ndarray) -> None:
    with pytest.raises(WindowError, match="hold no example of 100 x 10 samples"):
        Windows(ArraySong(samples, 16000), frame=100, seq=10).read([0])


@pytest.mark.parametrize("name", ["frame", "seq", "hop"])
@pytest.mark.parametrize("value", [0, -3, 2.0, True, "4"])
def test_shapes_that_cannot_be_are_refused(samples: np.ndarray, name: str, value: object) -> None:
    with pytest.raises(WindowError, match=f"{name} is {value!r}: give a whole number, 1 or more"):
        Windows(ArraySong(samples, 16000), **{"frame": 4, "seq": 5, name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("start", -1), ("start", 1001), ("start", 1.0), ("stop", 1001), ("stop", 399), ("stop", False)]
)
def test_ranges_that_cannot_be_are_refused(samples: np.ndarray, name: str, value: object) -> None:
    with pytest.raises(WindowError, match=f"{name} is {value!r}"):
        Windows(ArraySong(samples, 16000), 4, 5, **{"start": 400, name: value})


def test_numpy_numbers_become_plain_ones(samples: np.ndarray) -> None:
    windows = Windows(ArraySong(samples, 16000), np.int16(4), np.int32(5), np.uint8(3), np.int64(2), np.int64(900))

    assert windows.shape == {"frame": 4, "seq": 5, "hop": 3, "start": 2, "stop": 900, "normalise": "minmax"}
    assert {type(value) for value in windows.shape.values()} == {int, str}


def test_no_sample_of_a_damaged_shard_is_given(make_song) -> None:
    samples = np.arange(1000, dtype=np.int16)
    song = make_song(samples)
    path = Path(song.where) / "song-000001.tar"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[song.index.shards[1].members[0].offset + 99] ^= 128
    path.write_bytes(data)
    windows = Windows(song, frame=10, seq=4, normalise="none")

    assert np.array_equal(windows.read([0])[0].ravel(), samples[:40])
    with pytest.raises(DamagedShardError, match=r"samples 150 to 200\) is altered"):
        windows.read([0, 3])
