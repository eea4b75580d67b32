"""Sounds that are computed again prediction by prediction: how far they are followed, and where that ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_folders import Spec, read, rewrite_parameters, to_int16, write_run, write_song, write_sound
from safetensors.numpy import load_file

from longsong.audit.evidence import Evidence
from longsong.audit.network import expected_shapes, predict
from longsong.audit.replay import Replayed, last_frames, replay, work_of_a_prediction
from longsong.audit.replays import Followed, how_far, replay_numbers, replay_sounds
from longsong.audit.revaluate import Workload

FRAME, DUE = 800, 600
SPEC = Spec(FRAME, 5, hidden=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replayed")


@pytest.fixture
def sound(root: Path, tmp_path: Path) -> Path:
    """Write a run whose sound is whole and true."""
    shards = root / "shards" / "tones"
    if not shards.exists():
        write_song(shards)
    return write_run(tmp_path, shards, SPEC)


def seen(run: Path) -> Followed:
    evidence = Evidence.load(run.parent)
    (one,) = [one for one in evidence.runs if one.name == run.name]
    return Followed(one, evidence.regenerated(one), evidence.seed(one))


def replayed(run: Path, count: int = DUE) -> Replayed:
    one = seen(run)
    return replay(one.run, one.seed, one.found, count)


def wav_of(run: Path) -> np.ndarray:
    return np.array(seen(run).run.wav.data)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("recurrence", ["time", "batch"])
@pytest.mark.parametrize(("seq", "count"), [(5, 12), (5, 3), (1, 4), (4, 1)])
def test_predictions_side_by_side_are_those_one_after_the_other(
    cell: str, recurrence: str, seq: int, count: int
) -> None:
    random = np.random.default_rng(7)
    p = {name: random.normal(0, 0.4, shape) for name, shape in expected_shapes(cell, 6, 9, 2).items()}
    seed = random.normal(0, 1, (seq, 6))
    due, x = [], seed[None]
    for _ in range(count):
        x = predict(p, x, recurrence)
        due.append(x[0, -1])
    found = np.array(list(last_frames(p, seed, count, recurrence)))
    assert np.abs(found - due).max() <= 1e-12 * np.abs(due).max()


def test_a_true_sound_is_followed_to_its_end(sound: Path) -> None:
    found = replayed(sound)
    assert (found.due, found.followed, found.whole, found.broken) == (DUE, DUE, True, False)
    assert found.largest <= 1


@pytest.mark.parametrize("number", [4, 77, DUE])
def test_one_prediction_that_does_not_follow_is_found(sound: Path, number: int) -> None:
    wav = wav_of(sound)
    wav[number * FRAME - 1] += 9
    write_sound(sound, wav)
    found = replayed(sound)
    assert (found.followed, found.broken, found.rounded_off) == (number - 1, True, False)
    assert found.away == pytest.approx(9, abs=1)


def test_what_was_not_computed_is_not_said_to_be_wrong(sound: Path) -> None:
    wav = wav_of(sound)
    wav[50 * FRAME :] = 0
    write_sound(sound, wav)
    found = replayed(sound, count=50)
    assert (found.followed, found.asked, found.whole, found.broken) == (50, 50, False, False)


def test_a_last_prediction_that_is_cut_by_the_end_is_followed(sound: Path) -> None:
    write_sound(sound, wav_of(sound)[: 100 * FRAME + 17])
    assert (replayed(sound).due, replayed(sound).followed) == (101, 101)


@pytest.mark.parametrize("gain", [0.25, 1.7])
def test_a_stretched_sound_is_followed_and_what_is_none_is_not(sound: Path, gain: float) -> None:
    wav = wav_of(sound)
    write_sound(sound, to_int16(wav * gain))
    assert replayed(sound).whole
    other = to_int16(wav * gain)
    other[200 * FRAME :] = np.random.default_rng(1).integers(-3000, 3000, len(wav) - 200 * FRAME)
    write_sound(sound, other)
    assert replayed(sound).broken


class TestASoundThatRoundingDecides:
    """A network that doubles every difference: float32 and float64 part ways."""

    @pytest.fixture
    def chaos(self, sound: Path) -> Path:
        random = np.random.default_rng(3)

        def wild(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            widths = {"input_to_hidden.W": 1 / 30, "hidden_to_output.W": 0.3}
            return {
                name: random.normal(0, widths.get(name, 4 if tensor.ndim > 1 else 0.1), tensor.shape).astype(np.float32)
                for name, tensor in tensors.items()
            }

        rewrite_parameters(sound, wild)
        write_sound(sound, self.generated(sound))
        return sound

    @staticmethod
    def generated(run: Path) -> np.ndarray:
        """Generate in float32, as runs do."""
        config, place = read(run / "config.json"), read(run / "generated.json")["seed"]
        p = load_file(run / "checkpoints" / "best.safetensors")
        scale, offset = np.float32(config["song"]["scale"]), np.float32(config["song"]["offset"])
        evidence = Evidence.load(run.parent)
        samples = evidence.song(evidence.runs[0]).song[place["start"] : place["stop"]]
        seed = (samples.astype(np.float32) * scale + offset).reshape(-1, FRAME)
        # Rounded otherwise than a replay in float32: by products of another order.
        turned = {name: np.asfortranarray(tensor) for name, tensor in p.items()}
        frames = list(last_frames(turned, seed * np.float32(1 + 1e-6), DUE))
        return np.concatenate([to_int16((frame.astype(np.float64) - offset) / scale) for frame in frames])

    def test_it_is_followed_as_far_as_can_be(self, chaos: Path) -> None:
        found = replayed(chaos)
        assert 3 <= found.followed < DUE
        assert found.rounded_off
        assert not found.broken

    def test_noise_is_not_taken_for_rounding(self, chaos: Path) -> None:
        wav = wav_of(chaos)
        wav[4 * FRAME :] = np.random.default_rng(1).integers(-3000, 3000, len(wav) - 4 * FRAME)
        write_sound(chaos, wav)
        assert replayed(chaos).broken


class TestWork:
    """What an audit spends on sounds."""

    def test_the_cheapest_are_whole_and_the_others_as_far_as_there_is_work(
        self, root: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dear = write_run(sound.parent, root / "shards" / "tones", Spec(FRAME, 10, hidden=8))
        dear_one = seen(dear)
        both = [dear_one, seen(sound)]
        work = [DUE * work_of_a_prediction(one.run) for one in both]
        assert work[1] < work[0]
        monkeypatch.setattr("longsong.audit.replays.BEGINNING", 3 * work_of_a_prediction(dear_one.run))
        found = replay_sounds(both, Workload(left=work[1] * 1.05, largest=work[0] * 2))
        assert list(found) == [dear.name, sound.name]
        assert (found[sound.name].whole, found[dear.name].followed) == (True, 3)
        said = how_far(found)
        assert f"all predictions of 1 sounds ({DUE} each)" in said
        assert f"the first 3 of {DUE} predictions of 1, which are too long" in said
        assert replay_numbers(found) == {
            "sounds_replayed_whole": 1,
            "predictions_followed": {dear.name: [3, DUE], sound.name: [DUE, DUE]},
        }
        monkeypatch.undo()
        assert all(one.whole for one in replay_sounds(both).values())

    def test_all_are_followed_at_their_beginning_before_any_is_whole(
        self, root: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dear = write_run(sound.parent, root / "shards" / "tones", Spec(FRAME, 10, hidden=8))
        both = [seen(dear), seen(sound)]
        each = [work_of_a_prediction(one.run) for one in both]
        monkeypatch.setattr("longsong.audit.replays.BEGINNING", 50 * each[1])
        found = replay_sounds(both, Workload(left=DUE * each[1], largest=DUE * each[0]))
        assert [found[name].followed for name in (dear.name, sound.name)] == [int(50 * each[1] / each[0]), 50]

    def test_a_long_one_is_followed_at_its_beginning(self, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        one = seen(sound)
        each = work_of_a_prediction(one.run)
        monkeypatch.setattr("longsong.audit.replays.BEGINNING", 40 * each)
        found = replay_sounds([one], Workload(left=90 * each, largest=90 * each))
        assert found[sound.name].followed == 40

    def test_rounding_is_said(self) -> None:
        said = how_far({"a": Replayed(600, 600, 41, 1.0, 9.0, rounded_off=True)})
        assert said == "the first 41 of 600 predictions of a, after which rounding decides what comes"


def test_a_sound_that_breaks_is_named_by_the_check(sound: Path) -> None:
    from longsong.audit.checks_generation import fed_back

    wav = wav_of(sound)
    wav[399 * FRAME] += 50
    write_sound(sound, wav)
    found = fed_back(Evidence.load(sound.parent))
    assert found.verdict == "differs"
    assert "prediction 400 of 600 is 50 levels away" in found.by
    assert isinstance(found.numbers["predictions_followed"], dict)
