"""The score of the demo song: form, keys, chords and melody, bar by bar, for as long as wanted.

What a bar holds follows from the seed and the bar's number alone, not from how long the song will be, so that
a song of N seconds is the beginning of every longer one with the same seed.

The form is a rondo without end. Section n (from 1) bears the letter whose place in the alphabet is the number
of times that 2 divides n: A B A C A B A D A B A C ... A is home and comes back transposed and varied; the
rarer a letter, the longer ago it was heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

__all__ = ["BARS_PER_SECTION", "BEATS_PER_BAR", "Instrument", "Note", "Score", "Section"]

Instrument = Literal["pad", "bass", "bell", "harp", "drum", "brush"]

BEATS_PER_BAR = 4
BARS_PER_SECTION = 6

# Scales as semitones above the tonic; all seven-note modes without a diminished tonic.
_MODES = {
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
# Where the root of a chord may go next, as a degree of the scale (0 is the tonic): by fourths and thirds.
_NEXT_ROOTS = ((3, 5, 2, 4), (4, 6, 3), (5, 3), (0, 4, 1), (0, 5, 3), (3, 1, 2), (2, 0, 5))
_KEY_STEPS = (5, -3, 7, 3, -4)  # of a new letter's tonic against the home key, in semitones
_BEATS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 3.5)  # of the motif's bar
_FORM, _PIECE, _CHORDS, _BAR = range(4)  # what a random generator is for


@dataclass(frozen=True)
class Note:
    """One note of a bar.

    Attributes
    ----------
    instrument : str
        Who plays it.
    beat : float
        When it starts, in beats from the start of its bar, at least 0.
    beats : float
        How long it is held; what rings on after that is the instrument's affair.
    pitch : float
        MIDI number: 69 is 440 Hz, 1 is a semitone.
    level : float
        Loudness, 0 to 1.
    """

    instrument: Instrument
    beat: float
    beats: float
    pitch: float
    level: float


@dataclass(frozen=True)
class Section:
    """A stretch of `BARS_PER_SECTION` bars in one key.

    Attributes
    ----------
    letter : int
        0 for A, 1 for B, ...
    visit : int
        How often the letter was heard before.
    tonic : int
        Pitch class of the key, 0 (C) to 11.
    mode : str
        Name of the scale.
    roots : tuple of int
        Degree of the scale on which each bar's chord stands.
    centre : int
        MIDI number about which the chords lie.
    density : float
        Notes of the melody against what the motif offers, 0 to 1.
    level : float
        Loudness of the whole, 0 to 1.
    layers : frozenset of str
        The instruments that play; pad and bass always do.
    """

    letter: int
    visit: int
    tonic: int
    mode: str
    roots: tuple[int, ...]
    centre: int
    density: float
    level: float
    layers: frozenset[str]

    @property
    def scale(self) -> frozenset[int]:
        """Pitch classes of the key."""
        return frozenset((self.tonic + step) % 12 for step in _MODES[self.mode])

    def pitch(self, degree: int) -> int:
        """Give the MIDI number of a degree of the scale; degree 0 is the tonic in the octave of middle C."""
        octave, step = divmod(degree, 7)
        return 60 + self.tonic + 12 * octave + _MODES[self.mode][step]


class Score:
    """All bars of one demo song.

    Parameters
    ----------
    seed : int
        Not negative. Sets tempo, home key, motif and everything that follows.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        draw = self._generator(_FORM)
        self.seconds_per_beat = 60 / draw.uniform(56, 68)
        self.home = int(draw.integers(12))
        onsets = np.sort(draw.choice(len(_BEATS), size=int(draw.integers(4, 6)), replace=False))
        steps = np.clip(np.cumsum(draw.choice((-2, -1, 1, 2, 3), size=len(onsets))), -3, 5)
        self.motif = tuple((_BEATS[at], int(step)) for at, step in zip(onsets, steps - steps[0], strict=True))

    def section(self, bar: int) -> Section:
        """Give the section that a bar (from 0) lies in."""
        return _section(self, bar // BARS_PER_SECTION)

    def notes(self, bar: int) -> list[Note]:
        """Give the notes that start in a bar (from 0), in a fixed order."""
        section = self.section(bar)
        draw = self._generator(_BAR, bar)
        root = section.roots[bar % BARS_PER_SECTION]
        chord = [section.pitch(root + third) for third in (0, 2, 4, 6, 8)]
        notes = _pad(section, chord, draw) + _bass(section, root, draw)
        if "bell" in section.layers:
            notes += _melody(section, self.motif, root, bar, draw)
        if "harp" in section.layers:
            notes += _harp(section, chord, draw)
        if "drum" in section.layers:
            notes += _pulse(draw)
        return notes

    def _generator(self, *purpose: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, *purpose]))


@lru_cache(maxsize=64)
def _section(score: Score, number: int) -> Section:
    """Make section `number` (from 0)."""
    n = number + 1
    letter = (n & -n).bit_length() - 1
    visit = n >> (letter + 1)
    piece = score._generator(_PIECE, letter)
    step = 0 if letter == 0 else int(piece.choice(_KEY_STEPS))
    mode = str(piece.choice(("dorian", "aeolian") if letter == 0 else sorted(_MODES)))
    centre = 57 + int(piece.integers(-3, 4)) + (7 if letter % 3 == 2 else 0)
    density = float(piece.uniform(0.55, 0.8) if letter % 2 == 0 else piece.uniform(0.75, 1))
    level = float(piece.uniform(0.55, 0.75) if letter % 2 == 0 else piece.uniform(0.8, 1))
    layers = {"pad", "bass", "bell"}
    if letter % 2 == 1:
        layers |= {"harp", "drum"}
    elif visit % 2 == 1:
        layers |= {"harp"}
    # Chords are kept for two visits and then written anew; every second return is a fourth higher.
    chords = score._generator(_CHORDS, letter, visit // 2)
    roots = [0]
    while len(roots) < BARS_PER_SECTION:
        roots.append(int(chords.choice(_NEXT_ROOTS[roots[-1]])))
    return Section(
        letter=letter,
        visit=visit,
        tonic=(score.home + step + 5 * (visit // 2)) % 12,
        mode=mode,
        roots=tuple(roots),
        centre=centre,
        density=density,
        level=level * (1 if visit % 2 == 0 else 0.8),
        layers=frozenset(layers),
    )


def _near(pitch: int, centre: int) -> int:
    """Move a pitch by octaves to within half an octave of `centre`."""
    return centre - 6 + (pitch - centre + 6) % 12


def _pad(section: Section, chord: list[int], draw: np.random.Generator) -> list[Note]:
    """Hold the chord, its tones near the section's centre so that voices move little from bar to bar."""
    tones = chord[: 4 if section.density < 0.7 else 5]
    return [
        Note("pad", 0, BEATS_PER_BAR, _near(tone, section.centre + 4 * place), float(draw.uniform(0.7, 1)))
        for place, tone in enumerate(tones)
    ]


def _bass(section: Section, root: int, draw: np.random.Generator) -> list[Note]:
    """Hold the root, and now and then its fifth in the second half."""
    low = _near(section.pitch(root), 36)
    notes = [Note("bass", 0, BEATS_PER_BAR, low, float(draw.uniform(0.8, 1)))]
    if draw.random() < 0.4 * section.density:
        notes.append(Note("bass", 2, 2, _near(section.pitch(root + 4), 41), 0.7))
    return notes


def _melody(
    section: Section, motif: tuple[tuple[float, int], ...], root: int, bar: int, draw: np.random.Generator
) -> list[Note]:
    """Play the motif on the bar's chord: as it is, upside down, backwards or thinned; some bars are silent.

    A section begins with the motif as it is. The first note stands on the chord's third, fifth or root.
    """
    place = bar % BARS_PER_SECTION
    if place and draw.random() > 0.35 + 0.5 * section.density:
        return []
    shape = "plain" if place == 0 else str(draw.choice(("plain", "inverted", "backwards", "thinned")))
    steps = [step for _, step in motif]
    if shape == "inverted":
        steps = [-step for step in steps]
    if shape == "backwards":
        steps.reverse()
        steps = [step - steps[0] for step in steps]
    start = root + (0 if place == 0 else int(draw.choice((0, 2, 4)))) + 7
    notes = []
    ends = [beat for beat, _ in motif[1:]] + [float(BEATS_PER_BAR)]
    for index, ((beat, _), step, end) in enumerate(zip(motif, steps, ends, strict=True)):
        if index and shape == "thinned" and draw.random() < 0.5:
            continue
        late = float(draw.uniform(0, 0.02))
        pitch = _near(section.pitch(start), 74) + section.pitch(start + step) - section.pitch(start)
        notes.append(Note("bell", beat + late, end - beat, pitch, float(draw.uniform(0.55, 1))))
    return notes


def _harp(section: Section, chord: list[int], draw: np.random.Generator) -> list[Note]:
    """Break the chord into quavers, up and down, the first of each beat louder."""
    tones = [_near(chord[0], section.centre + 3)]
    for low, high in pairwise(chord[:4]):
        tones.append(tones[-1] + high - low)
    order = (0, 1, 2, 3, 2, 1, 2, 1)
    return [
        Note("harp", index / 2, 0.5, tones[tone], (1 if index % 2 == 0 else 0.7) * float(draw.uniform(0.7, 1)))
        for index, tone in enumerate(order)
    ]


def _pulse(draw: np.random.Generator) -> list[Note]:
    """Beat softly: a drum on one and three, a brush on two and four."""
    return [
        Note("drum" if beat % 2 == 0 else "brush", beat, 1, 36, float(draw.uniform(0.75, 1)))
        for beat in range(BEATS_PER_BAR)
    ]
