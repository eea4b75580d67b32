"""What was measured beside the runs, on the page: each where there is one, and named where it cannot be read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from as_coded_folders import write_experiment
from parsed_page import ParsedPage
from run_folders import Spec, comparison, copy, read, write_run, write_song

from longsong.audit import Audit
from longsong.audit.cells import CellComparison, compare_cells
from longsong.audit.curves_record import (
    CURVES_FILE,
    CurvesRecord,
    ShapeRecord,
    Trained,
    count_examples,
    what_cannot_be,
)
from longsong.audit.evidence import Evidence
from longsong.audit.feasibility import feasibility
from longsong.audit.original_song import ORIGINAL_SONG
from longsong.audit.parity import KINDS, GoldenParity, Parity
from longsong.audit.statistics import paired
from longsong.files import sha256_of, write_json
from longsong.metrics import metric_lines
from longsong.report import write_report
from longsong.report.audit_tables import feasibility_tables, parity_table
from longsong.report.cells_view import view_cells
from streams import Song

SHAPE = "1000x100-gru-199-s1"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells to compare, and a run whose curves stand beside those of 2016."""
    root = tmp_path_factory.mktemp("measured")
    song = write_song(root / "shards" / "tones", seconds=8)
    runs = root / "runs"
    runs.mkdir()
    for spec in [*comparison(lstm=0.2, cells=("gru", "lstm")), Spec(1000, 100)]:
        write_run(runs, song, spec)
    write_curves(runs)
    write_experiment(runs / "as-coded" / "40x50-gru", {"described": (0.7, 0.72, 0.74), "recurrence": (0.8, 0.82, 0.84)})
    return runs


def write_curves(runs: Path) -> None:
    config = read(runs / SHAPE / "config.json")
    song = config["song"]
    samples = np.array(Song.open(song["shards"])[: song["samples"]], dtype=np.float64)
    mean, (train, dev) = samples[: config["data"]["train_samples"]].mean(), count_examples(1000, 100, len(samples))
    cost = song["scale"] ** 2 * np.mean((samples[1000 : 1000 + train * 100_000] - mean) ** 2)
    trained = Trained("as described", f"../{SHAPE}", sha256_of(runs / SHAPE / "metrics.jsonl"), float(cost))
    cannot = what_cannot_be(1000, 100, len(samples), song["sample_rate"])
    shape = ShapeRecord(1000, 100, 128, train, dev, -(-train // 128), cannot, (trained,))
    known = ORIGINAL_SONG.recognise(*(song[key] for key in ("sample_rate", "samples", "minimum", "maximum")))
    record = CurvesRecord(song, known.same, known.text, (shape,))
    (runs / "curves-2016").mkdir()
    write_json(runs / "curves-2016" / CURVES_FILE, record.to_json({}))


def page_of(runs: Path, audited: Audit) -> ParsedPage:
    return ParsedPage(write_report(runs, audited).read_text(encoding="utf-8"))


def test_cells_stand_with_their_intervals_and_what_follows(measured: Path, audited: Audit) -> None:
    page = page_of(measured, audited)
    rows = compare_cells(Evidence.load(measured)).rows
    assert [row.cell for row in rows] == ["lstm"]
    for row in rows:
        assert row.conclusion in page.text
        assert f"{row.parameters:,}, {row.parameters / row.gru_parameters:.2f} times the GRU's" in page.text
    assert len(page.of_class("interval")) == len(rows)
    assert f"longsong audit {measured} --cells" in page.text  # nobody timed them side by side


def test_intervals_are_on_one_axis() -> None:
    def made(*differences: float) -> CellComparison:
        return CellComparison("lstm", "x", paired(differences), 2, 1, 1.0, None, "", (1.0, 1.0), (0.7, 0.7), ())

    found = view_cells([made(0.2, 0.21, 0.22), made(-0.01, 0.0, 0.01)])
    worse, same = found.rows
    assert 50 < worse.left < worse.middle < worse.right < 100
    assert same.left < 50 == same.middle < same.right
    assert same.middle - same.left == pytest.approx(same.right - same.middle, abs=0.02)
    low, high = found.band
    assert low < same.left
    assert 50 - low == pytest.approx(high - 50, abs=0.02)
    assert high < worse.left  # more than what is called comparable


def test_curves_of_2016_are_drawn_with_words_and_a_table(measured: Path, audited: Audit) -> None:
    page = page_of(measured, audited)
    assert "1000x100: in 2016 the dev cost went from" in page.text
    assert "Costs against those of 2016: cannot be . This is not the song of 2016: it has a length" in page.text
    assert "as described: no dev example" in page.source
    assert len(page.all("svg")) > len(page.of_class("player"))


def test_ways_of_2016_have_tables_sentences_and_sounds(measured: Path, audited: Audit) -> None:
    page = page_of(measured, audited)
    for words in ("recurrence (D01): worse; +0.1000", "stretches", "does recurrence", "0.8200 ± 0.0200"):
        assert words in page.text
    for wav in ("described-s1", "recurrence-s1"):
        assert f'src="../as-coded/40x50-gru/{wav}/generated.wav"' in page.source
    assert 'src="spectrograms/as-coded-40x50-gru-trained-recurrence.png"' in page.source
    assert (measured / "report" / "spectrograms" / "as-coded-40x50-gru-generated-stretch.png").is_file()


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(measured: Path, audited: Audit, tmp_path: Path) -> None:
    runs = copy(measured, tmp_path / "runs")
    (runs / "curves-2016" / CURVES_FILE).unlink()
    (runs / "curves-2016" / CURVES_FILE).write_text("{")
    path = runs / "as-coded" / "40x50-gru" / "recurrence-s1" / "generated.wav"
    path.unlink()
    path.write_bytes(b"nothing to hear")
    page = page_of(runs, audited)
    assert f"curves-2016/{CURVES_FILE}" in page.text
    assert "generated.wav was altered since" in page.text
    assert f"longsong audit {runs} --curves" in page.text
    assert len(page.of_class("interval")) == 1


def test_parity_says_the_largest_error_of_each_kind() -> None:
    small, large = dict.fromkeys(KINDS, 1e-16), dict.fromkeys(KINDS, 3e-15) | {"final": None}
    files = tuple(
        GoldenParity(f"{name}.npz", "0", "as compared", name, "time", errors, name == "gru", name == "gru")
        for name, errors in (("gru", small), ("lstm", large))
    )
    found = parity_table(Parity(1e-12, 1e-10, "fused", {}, files, "0").to_json())
    assert found.rows[0][0] == "gru.npz"
    assert found.rows[0][-2:] == ["the same", "yes"]
    assert found.rows[1][-3:] == ["not finite", "ANOTHER", "NO"]
    assert found.rows[2][3:5] == ["3.0e\N{NON-BREAKING HYPHEN}15"] * 2
    assert {len(row) for row in found.rows} == {len(found.head)}
    assert "1e-12 for prediction, cost, gradient, 1e-10 for the rest" in found.caption


def test_every_configuration_of_the_post_is_in_a_table(made: Path) -> None:
    found = tuple(asdict(one) for one in feasibility(Evidence.load(made)))
    tables = feasibility_tables(found)
    assert [len(table.rows) for table in tables] == [35, 35]
    rows = {row[0]: row for row in tables[0].rows}
    updates = sum(line["kind"] == "update" for line in metric_lines(made / "40x50-gru-199-s1" / "metrics.jsonl"))
    assert rows["40 \N{MULTIPLICATION SIGN} 50"][2] == f"{updates:,}"
    assert rows["40 \N{MULTIPLICATION SIGN} 50"][-1] == "40x50-gru-199-s1"
    assert rows["40,000 \N{MULTIPLICATION SIGN} 10,000"][1:3] == ["\N{EN DASH}", "\N{EN DASH}"]
    assert "does not fit: one example needs a song of" in rows["40,000 \N{MULTIPLICATION SIGN} 10,000"][-1]
