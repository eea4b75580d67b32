"""Curves: thin, without a date, in the page's colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.report.plots import MOST_POINTS, cost_curves, thin


@given(st.lists(st.floats(0, 1), min_size=1, max_size=2000), st.integers(1, 500))
def test_thinning_keeps_mean_and_bounds(values: list[float], most: int) -> None:
    positions, means = thin(values, most)
    assert len(positions) == len(means) == min(most, len(values))
    sizes = [len(piece) for piece in np.array_split(values, len(means))]
    assert np.average(means, weights=sizes) == pytest.approx(np.mean(values), abs=1e-12)
    assert (np.diff(positions) > 0).all()
    assert 1 <= positions[0] <= positions[-1] <= len(values)
    if len(values) <= most:
        assert means.tolist() == values


def test_curves_are_small_whatever_the_number_of_updates() -> None:
    random = np.random.default_rng(1)
    long = cost_curves("a", random.random(20_000).tolist(), [(k, 0.5) for k in range(31)], 0.4)
    assert len(long) < 25_000
    drawn = re.findall(r' d="([^"]+)"', long)
    assert max(len(re.findall("[ML]", path)) for path in drawn) <= MOST_POINTS


def test_curves_are_xml_without_date_and_colours_of_their_own() -> None:
    svg = cost_curves("<a>", [0.5, 0.4, 0.3], [(0, 0.5), (3, 0.35)], 0.45)
    tree = ElementTree.fromstring(svg)
    assert tree.tag.endswith("svg")
    assert "width" not in tree.attrib
    assert "metadata" not in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)
    for colour in ("--train", "--dev", "--ink-soft", "--line"):
        assert f"var({colour})" in svg
    words = [element.text for element in tree.iter() if element.tag.endswith("}text")]
    assert {"update", "cost"} <= set(words)


def test_same_numbers_same_curves_and_no_names_shared() -> None:
    first, again, other = (cost_curves(name, [0.5, 0.4], [], 0.45) for name in ("a", "a", "b"))
    assert first == again
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, other)]
    assert ids[0].isdisjoint(ids[1])
    assert "var(--dev)" not in first
