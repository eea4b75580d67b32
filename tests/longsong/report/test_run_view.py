"""Figures of a run on the page: a table under its player, and what cannot be read said beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_sounds import RATE
from run_folders import edit, read

from longsong.audit import Audit
from longsong.audit.run import Run
from longsong.audit.sound import sound_figures
from longsong.audit.wavs import Wav
from longsong.report import write_report
from longsong.report.run_view import RunView, view_run

NAME = "40x50-gru-199-s1"
PREDICTION = {
    "format": "longsong.prediction", "version": 1, "cost": 0.0123, "examples": 3, "dev_examples": 4,
    "baselines": {"zero": 0.0246, "repeat": 0.05, "linear": None},
}  # fmt: skip


def viewed(runs: Path) -> RunView:
    (runs / "report").mkdir(exist_ok=True)
    return view_run(Run.open(runs / NAME), runs / "report")


@pytest.fixture
def judged(runs: Path) -> tuple[Path, dict[str, Any]]:
    """A folder of runs, one of which was judged; and the figures of its sound."""
    folder = runs / NAME
    figures = sound_figures(np.array(Wav.open(folder / "generated.wav").data), RATE, 40)
    figures["song"] = figures | {"borders": figures["borders"] | {"step_ratio": 1.0625}}
    edit(folder / "generated.json", sound=figures)
    edit(folder / "summary.json", prediction=PREDICTION)
    return runs, figures


def test_figures_stand_under_the_player(judged: tuple[Path, dict[str, Any]], audited: Audit) -> None:
    runs, figures = judged
    page = write_report(runs, audited).read_text(encoding="utf-8")
    card = page[page.index(f'id="run-{NAME}"') :]
    card = card[: card.index("</article>")]
    player = card.index("<audio")
    row = card.index("Steps from sample to sample where frames meet", player)
    assert f"<td>{figures['borders']['step_ratio']:.2f}</td><td>1.06</td>" in card[row:]
    assert "<td>0.02460 (the network: 0.500 times that)</td>" in card[player:]
    view = viewed(runs)
    assert ("steps at borders over inside", f"{figures['borders']['step_ratio']:.2f} (the song itself: 1.06)") in (
        view.numbers
    )


def test_a_run_that_was_not_judged_has_no_table(runs: Path, audited: Audit) -> None:
    view = viewed(runs)
    assert view.sound_figures == view.prediction_figures == []
    assert '<table class="figures">' not in write_report(runs, audited).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "key", "value", "says"),
    [
        ("generated.json", "sound__version", 3, "longsong.sound 3; this one reads up to 2"),
        ("generated.json", "sound", ["no figures"], "not 'longsong.sound'"),
        ("summary.json", "prediction__version", 2, "longsong.prediction 2; this one reads up to 1"),
        ("summary.json", "prediction", {"baselines": {}}, "not 'longsong.prediction'"),
    ],
)
def test_figures_of_another_version_are_named_and_the_rest_is_shown(
    judged: tuple[Path, dict[str, Any]], file: str, key: str, value: Any, says: str
) -> None:
    runs, _ = judged
    edit(runs / NAME / file, **{key: value})
    view = viewed(runs)
    assert any(says in note for note in view.notes)
    assert view.sound is not None
    assert bool(view.sound_figures) == (file == "summary.json")
    assert bool(view.prediction_figures) == (file == "generated.json")


def test_a_sound_whose_record_is_broken_is_named_once(judged: tuple[Path, dict[str, Any]]) -> None:
    runs, _ = judged
    path = runs / NAME / "generated.json"
    text = path.read_text()
    path.unlink()
    path.write_text(text[: len(text) // 2])
    view = viewed(runs)
    assert len(view.notes) == 1
    assert "cut short" in view.notes[0]
    assert read(runs / NAME / "summary.json")["prediction"] == PREDICTION
    assert view.prediction_figures
