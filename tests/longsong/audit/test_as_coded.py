"""The numbers of the 2016 code's ways: what follows from them, and what of their file is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from as_coded_folders import write_experiment
from lies_about_records import AS_CODED_LIES, RecordLie
from run_folders import copy, dump

from longsong.audit.as_coded_file import AS_CODED_FILE, find_as_coded, load_as_coded, write_as_coded
from longsong.audit.as_coded_table import format_as_coded, plain_sentence
from longsong.audit.statistics import t_quantile
from longsong.errors import RunError

COSTS = {"described": (0.70, 0.72, 0.74), "recurrence": (0.80, 0.84, 0.88), "forget-bias": (0.70, 0.72, 0.74)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_experiment(tmp_path_factory.mktemp("made"), COSTS, silent=("recurrence-s2",)).path.parent


@pytest.fixture
def found(made, tmp_path):
    folder = tmp_path / "runs" / "as-coded" / "40x50"
    folder.parent.mkdir(parents=True)
    return load_as_coded(copy(made, folder) / AS_CODED_FILE)


def test_effects_are_means_spreads_and_paired_differences(found):
    effect = found.effects["recurrence"]["over_mean"]
    assert effect.mean == pytest.approx(0.84)
    assert effect.spread == pytest.approx(np.std(COSTS["recurrence"], ddof=1))
    differences = np.subtract(COSTS["recurrence"], COSTS["described"])
    half = t_quantile(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert effect.difference.mean == pytest.approx(differences.mean())
    assert (effect.difference.low, effect.difference.high) == pytest.approx(
        (differences.mean() - half, differences.mean() + half)
    )
    assert found.effects["described"]["over_mean"].difference is None
    assert found.effects["recurrence"]["rms_dbfs"] is None  # one of the runs is silent
    assert found.effects["forget-bias"]["rms_dbfs"].mean == -20


def test_pairs_are_of_one_seed(found):
    described, recurrence, forget = found.training
    turned = replace(found, training=[described, replace(recurrence, runs=recurrence.runs[::-1]), forget])
    for key in ("over_mean", "seconds_per_update"):
        a, b = (one.effects["recurrence"][key].difference for one in (found, turned))
        assert (a.mean, a.low, a.high) == pytest.approx((b.mean, b.low, b.high))


def test_a_forget_bias_that_changes_a_bit_is_told(found):
    assert found.forget_bias_changes_nothing
    assert "the very same bytes" in format_as_coded(found)
    described, recurrence, forget = found.training
    for key in ("parameters_sha256", "best_sha256"):
        runs = [*forget.runs[:2], replace(forget.runs[2], **{key: "other"})]
        changed = replace(found, training=[described, recurrence, replace(forget, runs=runs)])
        assert not changed.forget_bias_changes_nothing
        assert "OTHER parameters" in format_as_coded(changed)
    assert not replace(found, training=[described]).forget_bias_changes_nothing


def test_the_shift_by_the_mean_is_told(found):
    mean, scale = found.song["mean"], found.song["scale"]
    said = f"D12: this song's mean is {mean:.3f} steps of int16, and so the shift is {mean * scale:.2e}"
    assert said in format_as_coded(found)


def test_sentences_follow_from_the_numbers(found):
    assert "described: 0.7200 of" in plain_sentence(found, "described")
    assert "changes nothing, seed by seed" in plain_sentence(found, "forget-bias")
    assert "worse; +0.1200 (+0.0703 to +0.1697)" in plain_sentence(found, "recurrence")
    better = [replace(run, described_over_mean=run.described_over_mean - 1) for run in found.training[1].runs]
    described, recurrence, forget = found.training
    turned = replace(found, training=[described, replace(recurrence, runs=better), forget])
    assert "better; -0.8800" in plain_sentence(turned, "recurrence")
    unsure = [replace(run, described_over_mean=0.72 + 0.1 * (-1) ** run.seed) for run in recurrence.runs]
    turned = replace(found, training=[described, replace(recurrence, runs=unsure), forget])
    assert "no difference that these seeds show" in plain_sentence(turned, "recurrence")


def test_what_is_written_is_read_again(found):
    assert load_as_coded(found.path) == found
    assert find_as_coded(found.path.parents[2]) == [found]
    assert find_as_coded(found.path.parent) == []
    assert json.loads(found.path.read_text())["effects"]["recurrence"]["over_mean"]["difference"]["pairs"] == 3


def edited(found, change):
    held = json.loads(found.path.read_text())
    change(held)
    dump(found.path, held)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda held: held.update(version=2), "newer version"),
        (lambda held: held.update(format="longsong.audit"), "of format 'longsong.audit'"),
        (lambda held: held.pop("machine"), "machine"),
        (lambda held: held["song"].pop("scale"), "no song.scale"),
        (lambda held: held["configuration"].update(epochs="many"), "configuration.epochs = 'many'"),
        (lambda held: held.pop("generating"), "generating"),
        (lambda held: held["training"][1]["runs"][0].pop("sound"), "sound"),
        (lambda held: held["training"][1]["runs"][0].update(over_mean=0.1), "effects do not follow"),
        (lambda held: held["training"][1]["runs"][0].update(over_mean="low"), "altered"),
        (lambda held: held["training"][1]["runs"].pop(), "effects do not follow"),
        (lambda held: held["training"].clear(), "altered"),
        (lambda held: held["effects"]["recurrence"]["over_mean"].update(mean=0.1), "effects do not follow"),
        (lambda held: held.update(forget_bias_changes_nothing=False), "forget_bias_changes_nothing do not follow"),
        (lambda held: held["training"][1]["runs"][0].update(dev_cost=0.001), "says dev_cost is 0.001, and its files"),
    ],
)
def test_what_was_altered_is_refused(found, change, named):
    edited(found, change)
    with pytest.raises(RunError, match=named):
        load_as_coded(found.path)


@pytest.mark.parametrize("name", ["recurrence-s2/metrics.jsonl", "described-s1/generated.wav"])
def test_files_that_are_no_longer_those_are_named(found, name):
    path = found.path.parent / name
    held = path.read_bytes()
    path.unlink()
    path.write_bytes(held + b"\n")
    with pytest.raises(RunError, match=f"{name} was altered since"):
        load_as_coded(found.path)
    path.unlink()
    with pytest.raises(RunError, match=f"there is no .*{name}"):
        load_as_coded(found.path)


@pytest.mark.parametrize("lie", AS_CODED_LIES, ids=str)
def test_a_lie_with_every_digest_made_to_fit_is_refused(found, lie: RecordLie):
    found.path.unlink()
    write_as_coded(found)
    assert load_as_coded(found.path) == found
    write_as_coded(lie.tell(found))
    with pytest.raises(RunError, match=lie.says):
        load_as_coded(found.path)
