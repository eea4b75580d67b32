"""The plot of the curves of 2016: points and lines, words, and a table; the same for everybody."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from longsong.audit.cost_curves import AS_CODED, THE_2016, Costs, Curves
from longsong.audit.curves import ShapeCurves
from longsong.audit.curves_record import ShapeRecord
from longsong.audit.reference_curves import Estimate
from longsong.report.curves_plot import plot_curves


def costs(over: list[float], each: int, mean: float) -> Costs:
    return Costs(tuple(range(0, each * len(over), each)), tuple(mean * one for one in over), Estimate(mean, 0.0))


def curves(way: str, over: list[float], mean: float, dev: bool = True) -> Curves:
    train = Costs(tuple(range(1, 61)), (mean,) * 60, Estimate(mean, 0.0))
    return Curves(way, train, costs(over, 20, mean) if dev else None)


def shape(*own: Curves) -> ShapeCurves:
    record = ShapeRecord(1000, 100, 128, 176, 15, 2, "")
    return ShapeCurves(record, curves(THE_2016, [1.0, 0.8, 0.6, 0.5], 0.05), own, ())


def test_each_way_has_its_points_and_the_axes_have_names() -> None:
    plot = plot_curves(shape(curves("as described", [1.0, 0.9, 0.85], 0.2), curves(AS_CODED, [1.0, 0.95], 0.2)))
    tree = ElementTree.fromstring(plot.svg)
    words = {element.text for element in tree.iter() if element.tag.endswith("}text")}
    assert {"update", "cost / cost of predicting the mean", "2016, dev", "as described, dev", "as coded, dev"} <= words
    assert len(re.findall("<use ", plot.svg)) >= 4  # a mark for each point of 2016
    assert not re.search(r"#[0-9a-f]{6}", plot.svg)
    for colour in ("--ink", "--dev", "--coded", "--ink-soft", "--line"):
        assert f"var({colour}" in plot.svg
    assert 'aria-hidden="true"' in plot.svg


def test_the_same_numbers_give_the_same_plot_and_no_names_are_shared() -> None:
    one, again = plot_curves(shape()), plot_curves(shape())
    assert one == again
    other = plot_curves(ShapeCurves(ShapeRecord(4000, 50, 128, 8, 0, 1, ""), shape().reference, (), ()))
    ids = [set(re.findall(r' id="([^"]+)"', plot.svg)) for plot in (one, other)]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_the_table_has_all_dev_costs_and_nothing_where_there_is_none() -> None:
    described = curves("as described", [1.0, 0.9], 0.2)
    plot = plot_curves(shape(described, curves(AS_CODED, [], 0.2, dev=False)))
    assert plot.head == [
        "evaluation", "2016: update", "2016: dev cost", "as described: update", "as described: dev cost",
        "as coded: update", "as coded: dev cost",
    ]  # fmt: skip
    assert plot.rows == [
        ["0", "0", "1.000", "0", "1.000", "", ""],
        ["1", "20", "0.800", "20", "0.900", "", ""],
        ["2", "40", "0.600", "", "", "", ""],
        ["3", "60", "0.500", "", "", "", ""],
    ]
    assert "as coded: no dev example" in plot.svg
    assert plot.described == shape(described, curves(AS_CODED, [], 0.2, dev=False)).sentence()
    assert "after 20 updates 0.900, in 2016 after 20 0.800" in plot.described
