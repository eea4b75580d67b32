"""Audio files to int16 samples and back: whatever libsndfile reads, mono, at one rate, in bounded memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from longsong.config import samples_in, whole
from longsong.containers import check_whole, promised_frames
from longsong.errors import AudioError
from longsong.wav import SAMPLE_RATE, Samples, write_wav, write_wav_blocks

if TYPE_CHECKING:
    from soundfile import SoundFile

__all__ = [
    "RESAMPLER",
    "SAMPLE_RATE",
    "AudioInfo",
    "Samples",
    "probe",
    "read_blocks",
    "read_mono",
    "write_wav",
    "write_wav_blocks",
]

RESAMPLER = "VHQ"  # soxr's best; it costs a hundredth of what decoding does
_FULL_SCALE = 32_768
_OPUS_PACKET_SECONDS = 0.12  # the longest that there is (RFC 6716)
_LEAST_RATE = 100
"""Hz. Of what is recorded slower nothing is heard, and resampled it would be without end."""
_LENGTH_UNKNOWN = 2**63 - 1  # libsndfile's word for it


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file says of itself.

    Attributes
    ----------
    name : str
        File name, without folders.
    sample_rate : int
        Hz.
    frames : int or None
        Samples of each channel; None where the file does not say. An estimate for some mp3.
    channels : int
        Channels.
    format : str
        Container and encoding, as libsndfile calls them: ``WAV/PCM_16``.
    bytes : int
        Size of the file.
    """

    name: str
    sample_rate: int
    frames: int | None
    channels: int
    format: str
    bytes: int

    @property
    def seconds(self) -> float | None:
        """Length in seconds; None where the file does not say."""
        return None if self.frames is None else self.frames / self.sample_rate


def probe(path: Path) -> AudioInfo:
    """Open an audio file, check what can be checked without decoding it, and say what it is.

    Raises
    ------
    AudioError
        No such file; not a file; not audio; without samples; cut short, as far as its container tells.
    """
    path = Path(path)
    with _opened(path) as file:
        return _describe(path, file)


def read_blocks(path: Path, sample_rate: int = SAMPLE_RATE, *, block: int = 1 << 16) -> Iterator[Samples]:
    """Decode a file block by block: mean of the channels, resampled, rounded to the nearest, clipped.

    A mono file of 16 bits at `sample_rate` comes out bit for bit. The result does not depend on `block`,
    and memory does not grow with the length of the file.

    Parameters
    ----------
    path : Path
        Anything that libsndfile reads.
    sample_rate : int
        Hz of the result.
    block : int
        About how many samples there are in memory at once.

    Yields
    ------
    ndarray, shape (n,), int16
        Consecutive samples; n varies, and is never 0.

    Raises
    ------
    AudioError
        As `probe`; and where decoding fails, gives less than the file promises, or a sample is not finite.
    ConfigError
        A rate or block below 1.
    """
    whole("sample rate", sample_rate)
    whole("block", block)
    path = Path(path)
    with _opened(path) as file:
        info = _describe(path, file)
        frames = min(block, block * info.sample_rate // sample_rate) // info.channels
        decoded = _mono(path, file, info, block=max(1, frames))
        empty = True
        for piece in _resampled(decoded, info.sample_rate, sample_rate):
            if piece.size:
                empty = False
                yield _quantised(piece)
        if empty:
            raise AudioError(
                f"{path} is shorter than one sample at {sample_rate} Hz ({info.frames} at "
                f"{info.sample_rate} Hz); take a longer file"
            )


def read_mono(path: Path, sample_rate: int = SAMPLE_RATE, *, seconds: float | None = None) -> Samples:
    """Decode a file whole, or its first `seconds`; for seeds and other short sounds.

    Parameters
    ----------
    path, sample_rate
        As `read_blocks`, which says how, and what is raised.
    seconds : float or None
        Stop after so many.

    Returns
    -------
    ndarray, shape (samples,), int16
    """
    limit = None if seconds is None else samples_in(seconds, sample_rate)
    pieces: list[Samples] = []
    count = 0
    for piece in read_blocks(path, sample_rate):
        pieces.append(piece)
        count += len(piece)
        if limit is not None and count >= limit:
            break
    return np.concatenate(pieces)[:limit]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[SoundFile]:
    """Open a file for decoding, with every way in which it can fail named."""
    import soundfile

    if not path.exists():
        raise AudioError(f"there is no file {path}; check the name")
    if not path.is_file():
        raise AudioError(f"{path} is not a file but a folder or device; name the audio files in it")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes); fetch it again")
    check_whole(path)
    try:
        file = _forward_only()(path)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        # A TypeError is what a name that ends in .raw gives: such a file does not say what it is.
        raise AudioError(
            f"{path} is not audio that libsndfile can read ({_reason(error)}); "
            "take another file, or convert it to FLAC first"
        ) from error
    with file:
        yield file


def _forward_only() -> type[SoundFile]:
    """Give a SoundFile that says it cannot seek.

    After each read soundfile seeks to where it already is. At that, libsndfile starts decoding an mp3 afresh,
    without what it knew of the frames before, and there is a fault in the sound at each block.
    """
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return ForwardOnly


def _describe(path: Path, file: SoundFile) -> AudioInfo:
    frames = None if file.frames >= _LENGTH_UNKNOWN else file.frames
    if frames == 0:
        raise AudioError(f"{path} holds no samples (0 s of sound); take another file")
    if file.samplerate < _LEAST_RATE:
        raise AudioError(
            f"{path} says that it has {file.samplerate} Hz, and sound has {_LEAST_RATE} at least; take another file"
        )
    if file.format == "MP3":
        promised = promised_frames(path)
        # A second is let go: decoders drop the silence that encoders put before and behind the sound.
        if promised is not None and frames is not None and frames + file.samplerate < promised:
            raise AudioError(
                f"{path} has {promised / file.samplerate:.1f} s of sound, of which libsndfile would read "
                f"{frames / file.samplerate:.1f} s, as its header does not tell its length right; convert it "
                "to FLAC with another program first"
            )
    return AudioInfo(
        name=path.name,
        sample_rate=file.samplerate,
        frames=frames,
        channels=file.channels,
        format=f"{file.format}/{file.subtype}",
        bytes=path.stat().st_size,
    )


def _mono(path: Path, file: SoundFile, info: AudioInfo, block: int) -> Iterator[npt.NDArray[np.float64]]:
    """Decode blocks and take the mean of the channels; full scale is 1."""
    import soundfile

    done = 0
    while True:
        try:
            samples = file.read(block, dtype="float64", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(
                f"{path} is damaged or cut short: decoding fails after {done / info.sample_rate:.3f} s "
                f"({_reason(error)}); fetch it again"
            ) from error
        if not len(samples):
            break
        mono = samples[:, 0] if info.channels == 1 else samples.mean(axis=1)
        _require_finite(path, mono, done, info.sample_rate)
        done += len(samples)
        yield mono
    promised = None if info.frames is None else info.frames - _let_go(info)
    if promised is not None and done < promised:
        raise AudioError(
            f"{path} is cut short: its header promises {promised / info.sample_rate:.3f} s of sound, "
            f"{done / info.sample_rate:.3f} s could be decoded; fetch it again"
        )


def _let_go(info: AudioInfo) -> int:
    """How many samples fewer than the header promises are no sign of loss, because something else was checked.

    An mp3 without a Xing header has an estimated length, and its frames were counted by `_describe`. The pages
    of an Ogg file were counted by `check_whole`, and where its end is trimmed libsndfile may give a few samples
    fewer than it says there are (10 of 18,803,218 in a track of real music): less than one packet of Opus.
    """
    container = info.format.partition("/")[0]
    if container == "MP3":
        return info.sample_rate
    return round(_OPUS_PACKET_SECONDS * info.sample_rate) if container == "OGG" else 0


def _require_finite(path: Path, mono: npt.NDArray[np.float64], done: int, sample_rate: int) -> None:
    finite = np.isfinite(mono)
    if not finite.all():
        first = int(np.argmin(finite))
        raise AudioError(
            f"{path} has a sample that is {mono[first]} at {(done + first) / sample_rate:.3f} s; "
            "mend the file, or write it as 16 bit"
        )


def _resampled(
    blocks: Iterable[npt.NDArray[np.float64]], rate_in: int, rate_out: int
) -> Iterator[npt.NDArray[np.float64]]:
    """Resample as one stream; the result has round(frames * rate_out / rate_in) samples, with no delay."""
    if rate_in == rate_out:
        yield from blocks
        return
    import soxr

    stream: Any = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float64", quality=RESAMPLER)
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.empty(0), last=True)


def _quantised(samples: npt.NDArray[np.float64]) -> Samples:
    """Round to the nearest int16 (halves to even); what is beyond full scale is clipped to it."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _reason(error: Exception) -> str:
    """Give libsndfile's own words, without its prefix."""
    words = str(getattr(error, "error_string", error)).strip().rstrip(".")
    if words.startswith("File does not exist"):  # what it says of an mp3 in which it finds no frame
        return "no frame of MPEG audio found"
    return words or type(error).__name__
