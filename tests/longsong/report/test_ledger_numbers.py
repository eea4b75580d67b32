"""The numbers behind a verdict on the page: each with a name, written for people, folded away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed_page import ParsedPage

from longsong.audit import Audit
from longsong.report import write_report
from longsong.report.ledger_numbers import number_lines


@pytest.fixture(scope="module")
def page(made: Path, audited: Audit) -> ParsedPage:
    return ParsedPage(write_report(made, audited).read_text(encoding="utf-8"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(min_size=1), inner, max_size=5),
    max_leaves=60,
)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (12000, "12,000"),
        (-3, "\N{MINUS SIGN}3"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (1234.5, "1,234"),
        (-8.61e-05, "\N{MINUS SIGN}8.61 × 10^\N{MINUS SIGN}5"),  # noqa: RUF001
        (2e11, "2 × 10^11"),  # noqa: RUF001
        (float("inf"), "not finite"),
        (None, "\N{EN DASH}"),
        (True, "yes"),
        (False, "no"),
        ("alike", "alike"),
        ([1, 2, 3], "1, 2, 3"),
        ([], "\N{EN DASH}"),
        (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"),
    ],
)
def test_values_are_written_for_people(value: object, said: str) -> None:
    assert number_lines({"a_name_of_it": value}).lines == [("a name of it", said)]


def test_what_is_nested_has_the_names_that_lead_to_it() -> None:
    found = number_lines({"runs": {"40x50": [3, 12000]}, "comparisons": [{"cell": "lstm", "interval_95": [0.1, 0.2]}]})
    assert found.lines == [
        ("runs, 40x50", "3, 12,000"),
        ("comparisons, 1, cell", "lstm"),
        ("comparisons, 1, interval 95", "0.1, 0.2"),
    ]
    assert found.more == 0


def test_many_are_counted() -> None:
    found = number_lines({f"run {n}": n for n in range(140)})
    assert (len(found.lines), found.more) == (40, 100)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=6))
def test_whatever_a_row_holds_is_text(numbers: dict[str, object]) -> None:
    found = number_lines(numbers)
    assert all(isinstance(name, str) and isinstance(value, str) and value is not None for name, value in found.lines)
    assert found.more >= 0


def test_every_row_with_numbers_has_them_on_the_page(page: ParsedPage, audited: Audit) -> None:
    assert page.source.count("<summary>the numbers</summary>") == sum(bool(row.numbers) for row in audited.rows) > 30
    for row in audited.rows:
        for name, value in number_lines(json.loads(json.dumps(row.numbers))).lines:
            for words in (name, value):
                assert " ".join(words.split()) in page.text


def test_they_are_folded_away(page: ParsedPage) -> None:
    assert not any("open" in attrs for attrs in page.all("details"))
