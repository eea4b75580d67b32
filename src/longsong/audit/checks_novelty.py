"""P22: whether what was generated is new, or stands in the song."""

from __future__ import annotations

from typing import Any

from longsong.audit.copying import COPIED
from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.audit.shared_samples import WINDOW
from longsong.audit.verdicts import Finding, Seen, all_of, every_run
from longsong.errors import RunError

__all__ = ["new_sound"]

_LEAST = 2 * WINDOW - 1
"""Samples of the shortest shared run that the search cannot miss."""


def new_sound(evidence: Evidence) -> Finding:
    """P22: no stretch of a sound stands in the song bit for bit, at whatever lag."""
    seen: list[Seen] = []
    unseen: list[str] = []
    alike: list[float] = []
    for run in evidence.sounding:
        files = (run.path("generated.wav"), run.path("generated.json"))
        try:
            if altered := run.altered("generated"):
                raise RunError(altered)  # P12 to P15 name it
            shared, song = evidence.shared(run), evidence.song(run)
        except RunError as error:
            unseen.append(str(error))
            continue
        odd = []
        if shared.samples:
            rate = song.sample_rate
            odd.append(
                f"{shared.samples:,} samples ({shared.samples / rate:.2f} s) from {shared.at / rate:.2f} s on are the "
                f"song's own from {shared.song_at / rate:.2f} s on"
            )
        correlation = _correlation(run)
        if correlation is not None:
            alike.append(abs(correlation))
            if abs(correlation) >= COPIED:
                odd.append(f"a second of it has the correlation {correlation:.3f} with a place in the song")
        seen.append(Seen(run.name, not odd, "; ".join(odd), (*files, song.index)))
    numbers: dict[str, Any] = {
        "shortest_run_looked_for": _LEAST,
        "largest_correlation_on_record": max(alike, default=None),
    }
    good = (
        f"{all_of(seen)} sounds were looked for in the whole song, at every lag: none shares {_LEAST} samples or more "
        "with it bit for bit."
    )
    if alike:
        good += (
            f" At another level and with noise, by correlation over a second, {len(alike)} of them record "
            f"{max(alike):.3f} at most, where {COPIED} is a copy."
        )
    if unseen:
        good += f" {len(unseen)} could not be looked for ({unseen[0]})."
    nothing = f"No sound could be looked for in its song ({'; '.join(unseen[:1]) or 'nothing was generated yet'})."
    return every_run(seen, good, nothing, numbers)


def _correlation(run: Run) -> float | None:
    """Give the highest correlation with the train split that ``generated.json`` has, if it has one."""
    found: Any = run.generated
    for key in ("sound", "copying", "highest", "correlation"):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, (int, float)) else None
