"""Whether an audio file is whole: what its container says of itself, held against the bytes that are there.

libsndfile opens a file that was cut short, takes what is left for the whole, and says nothing; it conceals a
damaged Ogg page, and stops at the first of several streams in one file. So each container that can tell is
asked first. These checks read no sample.
"""

from __future__ import annotations

from pathlib import Path

from longsong.containers import mpeg, ogg, riff
from longsong.errors import AudioError

__all__ = ["check_whole", "promised_frames"]


def check_whole(path: Path) -> None:
    """Raise unless the container holds all that it promises; kinds that make no promise pass.

    Parameters
    ----------
    path : Path
        An audio file: Ogg (Vorbis, Opus, FLAC), RIFF, RF64 and AIFF are checked here.

    Raises
    ------
    AudioError
        The file is cut short or damaged, or holds several streams one behind the other, or cannot be read.
    """
    try:
        with path.open("rb", buffering=1 << 20) as file:
            magic = file.read(4)
            file.seek(0)
            if magic == b"OggS":
                trouble = ogg.trouble(file)
            elif magic in riff.MAGIC:
                trouble = riff.trouble(file, path.stat().st_size)
            elif magic == riff.WAVE64:
                trouble = riff.wave64_trouble(file, path.stat().st_size)
            else:
                trouble = None
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if trouble is not None:
        raise AudioError(
            f"{path} {trouble}; fetch it again, or convert what there is to FLAC with another program first"
        )


def promised_frames(path: Path) -> int | None:
    """Count the sample frames of an MPEG file by walking its headers; None where the walk loses its way.

    libsndfile estimates the length of an mp3 that has no Xing header from the first header alone, and
    decodes no further than its estimate; with the count one can tell.

    Raises
    ------
    AudioError
        The last frame is cut short, or there are fewer frames than the Xing header says.
    """
    with path.open("rb", buffering=1 << 20) as file:
        scan = mpeg.scan(file, path.stat().st_size)
    if scan is None:
        return None
    if scan.cut:
        raise AudioError(f"{path} is cut short: its last MPEG frame is not whole; fetch it again")
    if scan.declared is not None and scan.count < scan.declared:
        raise AudioError(
            f"{path} is cut short or damaged: its header promises {scan.declared:,} MPEG frames, "
            f"there are {scan.count:,}; fetch it again"
        )
    return scan.count * scan.samples_per_frame
