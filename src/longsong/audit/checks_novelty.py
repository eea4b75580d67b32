"""P22: whether what was generated is new, or stands in the song."""

from __future__ import annotations

from typing import Any

from longsong.audit.copying import COPIED
from longsong.audit.evidence import Evidence
from longsong.audit.likeness import Likeness
from longsong.audit.run import Run
from longsong.audit.shared_samples import WINDOW
from longsong.audit.verdicts import Finding, Seen, all_of, every_run, not_of_all
from longsong.errors import RunError

__all__ = ["new_sound"]

_LEAST = 2 * WINDOW - 1
"""Samples of the shortest shared run that the search cannot miss."""
_ALIKE = 0.05
"""How far a correlation on record may be from the one computed here."""


def new_sound(evidence: Evidence) -> Finding:
    """P22: no stretch of a sound stands in the song, bit for bit at whatever lag, or louder, softer or turned over."""
    seen: list[Seen] = []
    unseen: list[str] = []
    undecided: list[str] = []
    alike: list[float] = []
    songs: dict[tuple[str, int], Likeness] = {}
    for run in evidence.sounding:
        files = (run.path("generated.wav"), run.path("generated.json"))
        try:
            if altered := run.altered("generated"):
                raise RunError(altered)  # P12 to P15 name it
            shared, song, left = evidence.shared(run), evidence.song(run), evidence.seed(run).left
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
        train = run.of("data.train_samples")
        if (song.digest, train) not in songs:
            songs[song.digest, train] = Likeness.of(song, train)
        likeness = songs[song.digest, train]
        found = likeness.of_sound(run.wav.data[left:])
        if found is not None:
            if copied := likeness.copied(found):
                odd.append(copied)
            stated = _on_record(run)
            if stated is not None and abs(abs(stated) - abs(found.correlation)) > _ALIKE:
                odd.append(
                    f"its record has a highest correlation of {stated:.3f} with the song, computed again it is "
                    f"{found.correlation:.3f}"
                )
            if not odd and (why := likeness.undecided(found)):
                undecided.append(f"{run.name}: {why}")
                continue
            alike.append(abs(found.correlation))
        seen.append(Seen(run.name, not odd, "; ".join(odd), (*files, song.index)))
    own = [abs(likeness.own.correlation) for likeness in songs.values() if likeness.own is not None]
    numbers: dict[str, Any] = {
        "shortest_run_looked_for": _LEAST,
        "sounds_correlated": len(alike),
        "largest_correlation": max(alike, default=None),
        "correlation_of_the_song_with_itself": max(own, default=None),
        "sounds_that_cannot_be_told_from_copies": len(undecided),
    }
    good = (
        f"{all_of(seen)} sounds were looked for in the whole song, at every lag: none shares {_LEAST} samples or more "
        "with it bit for bit."
    )
    if alike:
        good += (
            f" At another level, turned over or with noise, by correlation over a second with the train split, "
            f"{len(alike)} of them reach {max(alike):.3f} at most; {COPIED} is a copy"
            + (f", where it is more than the {max(own):.3f} of the song's own dev split." if own else ".")
        )
    if unseen:
        good += f" {len(unseen)} could not be looked for ({unseen[0]})."
    reasons = [*unseen[:1], *undecided[:1]]
    nothing = f"No sound could be looked for in its song ({'; '.join(reasons) or 'nothing was generated yet'})."
    finding = every_run(seen, good, nothing, numbers)
    if not undecided or not seen:
        return finding
    return not_of_all(finding, f"{len(undecided)} cannot be told from copies ({'; '.join(undecided[:3])}).")


def _on_record(run: Run) -> float | None:
    """Give the highest correlation with the train split that ``generated.json`` has, if it has one."""
    found: Any = run.generated
    for key in ("sound", "copying", "highest", "correlation"):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, (int, float)) else None
