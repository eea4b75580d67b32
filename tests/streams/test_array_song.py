import hashlib
import pickle

import numpy as np
import pytest

from streams import ArraySong, WindowError


def test_its_samples_are_not_copied_and_cannot_be_written(samples: np.ndarray) -> None:
    song = ArraySong(samples, 16000)

    assert np.shares_memory(song[3:9], samples)
    assert not song[3:9].flags.writeable
    assert samples.flags.writeable


def test_the_digest_is_that_of_little_endian_samples(samples: np.ndarray) -> None:
    digest = hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()

    assert ArraySong(samples, 16000).digest == digest
    assert ArraySong(np.repeat(samples, 2)[::2], 16000).digest == digest


@pytest.mark.parametrize(
    "wrong", [np.zeros(0, np.int16), np.zeros(3, np.int32), np.zeros((2, 2), np.int16), np.zeros(3, np.float64)]
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(WindowError, match=f"samples are {wrong.dtype}"):
        ArraySong(wrong, 16000)


@pytest.mark.parametrize("rate", [0, -1, 16000.0, True])
def test_rates_that_cannot_be_are_refused(samples: np.ndarray, rate: object) -> None:
    with pytest.raises(WindowError, match=f"sample_rate is {rate}"):
        ArraySong(samples, rate)


def test_it_goes_to_another_process_with_its_samples_and_without_its_addresses(samples: np.ndarray) -> None:
    song = pickle.loads(pickle.dumps(ArraySong(samples, 16000)))
    samples[:] = 0  # those of the first one
    out = np.empty((2, 100), dtype=np.int16)
    song.read_into(np.array([0, 900]), out)
    assert out.any()
    assert np.array_equal(out[1], song[900:])
