"""Plots as elements of a page: no date, no colours of their own, no names that clash."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from longsong.report.drawing import DEV, TRAIN, draw


def curve(colour: str) -> Any:
    def plot(axes: Any) -> None:
        axes.plot([1, 2, 3], [0.5, 0.4, 0.3], color=colour)
        axes.set_xlabel("update")
        axes.set_ylabel("cost")

    return plot


def test_a_drawing_is_xml_without_date_and_colours_of_its_own() -> None:
    svg = draw("<a>", (4, 2), curve(TRAIN))
    tree = ElementTree.fromstring(svg)
    assert tree.tag.endswith("svg")
    assert not {"width", "height"} & tree.attrib.keys()
    assert "metadata" not in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)
    for colour in ("--train", "--ink-soft", "--line"):
        assert f"var({colour})" in svg
    assert "var(--dev)" not in svg
    words = [element.text for element in tree.iter() if element.tag.endswith("}text")]
    assert {"update", "cost"} <= set(words)


def test_the_same_drawing_is_the_same_and_shares_no_names() -> None:
    first, again, other = (draw(name, (4, 2), curve(DEV)) for name in ("a", "a", "b"))
    assert first == again
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, other)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])
