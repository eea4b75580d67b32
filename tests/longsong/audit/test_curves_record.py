"""What a song is too short for, and ``curves-2016.json``."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.audit.curves_record import (
    CurvesRecord,
    ShapeRecord,
    Trained,
    count_examples,
    least_samples,
    what_cannot_be,
)
from longsong.errors import RunError


@given(st.integers(1, 60), st.integers(1, 60))
def test_one_sample_less_and_there_is_no_example(frame, seq):
    train, dev = least_samples(frame, seq)
    assert count_examples(frame, seq, train)[0] == 1
    assert count_examples(frame, seq, train - 1)[0] == 0
    assert count_examples(frame, seq, dev)[1] == 1
    assert count_examples(frame, seq, dev - 1)[1] == 0


def test_the_demo_song_has_no_dev_example_of_4000x50():
    samples = 120 * 16_000
    assert count_examples(4000, 50, samples) == (8, 0)
    assert what_cannot_be(1000, 100, samples, 16_000) == ""
    text = what_cannot_be(4000, 50, samples, 16_000)
    _, least = least_samples(4000, 50)
    assert "no dev" not in text
    assert f"it has 120 s, and one dev example needs {least / 16_000:.0f} s; 8 train examples" in text


def test_a_song_without_a_train_example():
    text = what_cannot_be(4000, 50, 16_000, 16_000)
    assert text.startswith("4000x50 cannot be trained on this song: it has 1 s, and one train example needs ")


def test_on_a_split_that_is_given_examples_are_of_that_split():
    assert count_examples(20, 5, 1000, 500) == (5, 4)


@pytest.fixture
def record():
    run = Trained("as coded", "20x5-gru-8-s1", "ab" * 32, 0.2)
    song = {"digest": "cd" * 32, "samples": 9, "sample_rate": 4, "minimum": -8, "maximum": 8}
    return CurvesRecord(song, False, "Another.", (ShapeRecord(20, 5, 128, 290, 25, 3, "", (run,)),))


def test_it_reads_what_it_writes(record, tmp_path):
    path = tmp_path / "curves-2016.json"
    path.write_text(json.dumps(record.to_json(made_by={"longsong": "0"})))
    assert CurvesRecord.read(path) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(version=3), "newer version"),
        (lambda found: found.update(version=1), "older longsong .*this one reads 2.*longsong audit RUNS --curves"),
        (lambda found: found.update(is_original=1), "is_original = 1"),
        (lambda found: found["shapes"][0].update(batch=0), "batch = 0"),
        (lambda found: found["shapes"][0]["runs"][0].update(train_cost_of_mean=0), "train_cost_of_mean = 0"),
        (lambda found: found["shapes"][0]["runs"][0].update(folder="../../x"), "other places"),
        (lambda found: found["shapes"][0]["runs"][0].update(folder=".."), "other places"),
        (lambda found: found.pop("song"), "song"),
        (lambda found: found["shapes"][0].pop("seq"), "seq"),
        (lambda found: found["shapes"][0].update(runs=3), "altered"),
        (lambda found: found["shapes"][0]["runs"][0].update(folder="/etc"), "other places"),
    ],
)
def test_what_was_altered_is_refused_by_name(record, tmp_path, change, message):
    found = json.loads(json.dumps(record.to_json(made_by={})))
    change(found)
    path = tmp_path / "curves-2016.json"
    path.write_text(json.dumps(found))
    with pytest.raises(RunError, match=message) as caught:
        CurvesRecord.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("dev", "short"), [(0, None), (71, None), (128, None), (142, "14 of 142"), (256, None)])
def test_a_short_last_mini_batch_is_named(dev, short):
    jumps = ShapeRecord(1000, 100, 128, 1600, dev, 13, "").jumps
    assert bool(jumps) == (short is not None)
    assert (short or "") in jumps
