import json
import os

import pytest

from benchmarks.harness import arguments, interleaved, machine, render_table, report


def test_rounds_are_interleaved_and_who_begins_moves_on():
    calls = []

    def measure(name):
        def once():
            calls.append(name)
            return len(calls)

        return once

    found = interleaved({name: measure(name) for name in "abc"}, rounds=3)
    assert "".join(calls) == "abcbcacab"
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_a_table_has_words_on_the_left_and_figures_on_the_right():
    columns = {"name": ("who", str), "speed": ("speed", lambda value: f"{value:.1f}")}
    table = render_table([{"name": "ours", "speed": 12.34}, {"name": "the others", "speed": None}], columns)
    assert table.splitlines() == [
        "who         speed",
        "----------  -----",
        "ours         12.3",
        "the others      -",
    ]


def test_the_machine_is_described():
    described = machine(("numpy", "no-such-package"))
    assert described["cores"] == len(os.sched_getaffinity(0))
    assert described["memory_bytes"] > 1 << 28
    assert described["packages"]["numpy"]
    assert described["packages"]["no-such-package"] is None


def test_a_report_is_one_json_file(tmp_path, capsys):
    path = tmp_path / "figures.json"
    rows = [{"candidate": "ours", "shape": "40x50", "samples_per_second": 2e9}]
    report(path, {"cores": 2}, rows, {"ours_over_floor:40x50": 0.75})
    assert json.loads(path.read_text()) == {
        "machine": {"cores": 2},
        "rows": rows,
        "ratios": {"ours_over_floor:40x50": 0.75},
    }
    assert list(tmp_path.iterdir()) == [path]
    assert "ours_over_floor:40x50  0.750" in capsys.readouterr().out


def test_a_report_goes_nowhere_unless_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report(None, {}, [], {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [[], ["--quick"], ["--json", "x.json"]])
def test_all_benchmarks_take_the_same_words(words):
    options = arguments("what it does").parse_args(words)
    assert options.quick == ("--quick" in words)
    assert (options.json is not None) == ("--json" in words)
