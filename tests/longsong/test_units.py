"""Numbers as people read them."""

from __future__ import annotations

import pytest

from longsong.units import human_bytes, human_count, human_time, parse_bytes, parse_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"),
     (3599.6, "1 h 0 min"), (10889, "3 h 1 min"), (4e6, "1,111 h 6 min")],
)  # fmt: skip
def test_time(seconds, text):
    assert human_time(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1.5 * 2**20, "1.5 MiB"), (2**42, "4.0 TiB")]
)
def test_bytes(count, text):
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (12345, "12,345"), (0.5, "0.5"), (174_224_000, "174.2 M"), (2e9, "2.0 G"), (3e12, "3.0 T")],
)
def test_count(count, text):
    assert human_count(count) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500000", 500_000), ("20GiB", 20 * 2**30), (" 1.5 gb ", 1_500_000_000), ("7kB", 7000), ("2TiB", 2**41)],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.4", "-1", "GiB", "1 furlong", "1e9", "nan", "1.2.3", "\u0661", "9" * 20])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no number of bytes"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("45m", 2700),
        ("45 min", 2700),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5 H", 5400),
        ("1d", 86400),
    ],
)
def test_durations_are_read(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1h", "h", "1x", "1h 2h", "1h30", "nan", "inf", "1e5", "٣h", "1h\n;x"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is no duration: give one such as 45m"):
        parse_time(text)
