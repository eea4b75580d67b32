"""What was generated, on disk: the sound, and beside it how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from longsong.config import samples_in
from longsong.errors import ConfigError, RunError
from longsong.files import read_json, require_writable, sha256_of, write_json
from longsong.generation import Level
from longsong.progress import Progress
from longsong.space import require_space
from longsong.training.monitors import log_audio

if TYPE_CHECKING:
    from longsong.runs import Mode, Run, Seed

__all__ = ["GENERATED_SECONDS", "Generated", "generate_into", "is_generated", "write_generated"]

GENERATED_SECONDS = 30.0
"""The fixed length that the post generates (P15)."""

_FORMAT, _VERSION = "longsong.generated", 1
_WAV = "generated.wav"


@dataclass(frozen=True)
class Generated:
    """What was generated.

    Attributes
    ----------
    samples : ndarray, shape (samples,), int16
    level : Level
    record : dict
        How it was made, for ``generated.json``.
    """

    samples: NDArray[np.int16]
    level: Level
    record: dict[str, Any]


def write_generated(generated: Generated, wav: Path) -> None:
    """Write a generation as `wav`, and beside it how it was made, under the same name with ``.json``."""
    from longsong.audio import write_wav

    write_wav(wav, generated.samples, generated.record["sample_rate"])
    record = {"format": _FORMAT, "version": _VERSION, **generated.record, "sha256": sha256_of(wav)}
    write_json(wav.with_suffix(".json"), record)


def generate_into(
    run: Run,
    wav: Path | None = None,
    *,
    seconds: float = GENERATED_SECONDS,
    seed: Seed | None = None,
    mode: Mode = "post",
    quiet: bool = False,
    label: str = "generating",
) -> tuple[Path, Generated]:
    """Generate, and write the sound and how it was made.

    Parameters
    ----------
    run : Run
    wav : Path or None
        File to write; None for ``generated.wav`` in the run's folder, or ``generated-carry.wav`` for the other
        mode, so that the sound of the post's way, which the audit looks at, is not lost. TensorBoard gets it too.
    seconds, seed, mode
        As for `Run.generate`.
    quiet : bool
        Report no progress.
    label : str
        What the progress is called.

    Returns
    -------
    Path
        The file.
    Generated
    """
    target = wav or run.folder / (_WAV if mode == "post" else f"generated-{mode}.wav")
    if target.suffix.lower() != ".wav":
        raise ConfigError(f"output is {target}; give a name that ends in .wav")
    _refuse_others(target.with_suffix(".json"))
    if not target.parent.is_dir():
        raise RunError(f"{target} cannot be written: there is no folder {target.parent}; make it first")
    require_writable(target.parent)
    rate = run.record.song["sample_rate"]
    samples = samples_in(seconds, rate)
    require_space(target, samples * 2)
    with Progress(label, samples, "samples", quiet=quiet) as progress:
        generated = run.generate(seconds, seed=seed, mode=mode, on_samples=progress.update)
    write_generated(generated, target)
    if wav is None:
        log_audio(run.folder, target.stem, generated.samples, rate, generated.record["epoch"])
    return target, generated


def _refuse_others(record: Path) -> None:
    """Raise where the record of a generation would take the place of a file that is none."""
    if record.exists():
        try:
            read_json(record, _FORMAT, _VERSION)
        except RunError:
            raise ConfigError(
                f"{record} is there and is no record of a generation, which would be written under that name; give "
                "another --output"
            ) from None


def is_generated(folder: Path, epoch: int) -> bool:
    """Say whether a run's folder holds, whole, what the post's way gives: 30 s, by its parameters after `epoch`."""
    wav = folder / _WAV
    try:
        record = read_json(wav.with_suffix(".json"), _FORMAT, _VERSION)
        wanted = {"mode": "post", "seconds": GENERATED_SECONDS, "parameters": "best", "epoch": epoch}
        return {key: record.get(key) for key in wanted} == wanted and record.get("sha256") == sha256_of(wav)
    except RunError:
        return False
