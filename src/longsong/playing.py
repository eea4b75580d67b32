"""A sound on its way to a player, as it is generated."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, BinaryIO, Literal

from longsong.generating import Generating, Seed
from longsong.heard import Heard
from longsong.wav import wav_header

if TYPE_CHECKING:
    from longsong.runs import Run

__all__ = ["Format", "stream_out"]

Format = Literal["wav", "raw"]


def stream_out(
    run: Run, out: BinaryIO, *, seed: Seed | None = None, how: Generating | None = None, format: Format = "wav"
) -> list[str]:
    """Generate a sound into an open file, such as a pipe to a player, as it comes; leaves nothing else on the disk.

    At any moment what was written is a valid file: into a pipe goes a wav that does not say how long it will be. Where
    `out` can go back, its length is put in at the end.

    Parameters
    ----------
    run : Run
    out : binary file
        Is not closed.
    seed, how
        As for `longsong.generated.generate_into`.
    format : {'wav', 'raw'}
        A wav of one channel, or its samples alone, int16, little-endian.

    Returns
    -------
    list of str
        What is wrong with the sound, if anything: `longsong.heard.Heard.notes`.

    Raises
    ------
    NotFiniteError
        A prediction is not finite; the samples before it were written.
    BrokenPipeError
        Nobody listens any more.
    KeyboardInterrupt
        Stopped by the user; says how much was written.
    """
    how = how or Generating()
    sounds = run.sounds([seed or run.seed_for(how)], how)
    heard, written = Heard(sounds.sample_rate), 0
    begin = out.tell() if format == "wav" and out.seekable() else None
    if format == "wav":
        out.write(wav_header(None, sounds.sample_rate))
    try:
        for (samples,) in sounds:
            out.write(samples.astype("<i2").tobytes())
            out.flush()
            heard.add(samples)
            written += len(samples)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; {written / sounds.sample_rate:.2f} s were written") from None
    finally:
        if begin is not None:
            # What cannot be written is told by the error on its way; a file that only grows keeps the first header.
            with contextlib.suppress(OSError, io.UnsupportedOperation):
                out.seek(begin)
                out.write(wav_header(written, sounds.sample_rate))
                out.seek(0, io.SEEK_END)
                out.flush()
    return heard.notes(sounds.level(0))
