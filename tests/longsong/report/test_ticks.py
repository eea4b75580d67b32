"""Labels of axes: round, few, and at the place that they name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longsong.report.ticks import frequency_ticks, level_ticks, time_ticks
from longsong.spectrogram import place_of


def seconds_of(label: str) -> float:
    if label.endswith(" s"):
        return float(label[:-2])
    *hours, minutes, seconds = (int(part) for part in label.split(":"))
    return 3600 * sum(hours) + 60 * minutes + seconds


@given(st.floats(0.001, 200_000))
@example(0.05)
@example(30.0)
@example(60.0)
@example(3600.0)
@example(0.3)
def test_times_stand_where_they_are(seconds: float) -> None:
    ticks = time_ticks(seconds)
    assert 3 <= len(ticks) <= 7
    assert len({tick.label for tick in ticks}) == len(ticks)
    for tick in ticks:
        assert 0 <= tick.at <= 100
        assert tick.at == pytest.approx(100 * seconds_of(tick.label) / seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0.05, ["0 s", "0.01 s", "0.02 s", "0.03 s", "0.04 s", "0.05 s"]),
        (1, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s"]),
        (30, ["0 s", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s"]),
        (90, ["0:00", "0:15", "0:30", "0:45", "1:00", "1:15", "1:30"]),
        (3600, ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]),
    ],
)
def test_labels_are_those_of_a_clock(seconds: float, labels: list[str]) -> None:
    assert [tick.label for tick in time_ticks(seconds)] == labels


@pytest.mark.parametrize("rate", [2000, 8000, 16_000, 44_100, 96_000])
def test_frequencies_stand_where_they_are_drawn(rate: int) -> None:
    ticks = frequency_ticks(rate)
    assert len(ticks) >= 2
    assert ticks[0].label.endswith(" Hz")
    for tick in ticks:
        hertz = float(tick.label.removesuffix(" Hz").replace(",", ""))
        assert hertz < rate / 2
        assert tick.at == pytest.approx(100 * (1 - place_of(hertz, rate)))
    gaps = [above.at - below.at for above, below in pairwise(ticks)]
    assert min(gaps) >= 12


def test_levels_are_symmetric_and_signed() -> None:
    assert [(tick.at, tick.label) for tick in level_ticks(0.05)] == [
        (0, "+0.05"),
        (50, "0"),
        (100, "\N{MINUS SIGN}0.05"),
    ]
