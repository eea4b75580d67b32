"""The parts that the checks are made of: intervals, counts of examples, claims."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.audit.claims import load_claims
from longsong.audit.ledger import CHECKS
from longsong.audit.revaluate import fuel_order
from longsong.audit.song import examples_that_fit
from longsong.audit.statistics import paired, t_quantile
from longsong.audit.verdicts import Seen, Verdict, as_coded, every_run, others, unless_unseen
from longsong.errors import ConfigError
from streams import ArraySong, ShuffledScheme, Windows


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (9, 2.2622), (30, 2.0423)]
)
def test_quantiles_of_student(freedom: int, quantile: float) -> None:
    """Against the printed tables."""
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, abs=5e-5)


def test_interval_of_paired_differences() -> None:
    found = paired([1.0, 2.0, 3.0])
    assert (found.mean, found.spread) == (2.0, 1.0)
    assert found.high - found.mean == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert not found.excludes_zero
    assert paired([1.0, 1.1, 1.2]).excludes_zero
    assert paired([-1.0, -1.1, -1.2]).excludes_zero
    with pytest.raises(ConfigError, match="not 1"):
        paired([1.0])


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(0, 30),
    st.integers(0, 200),
    st.integers(1, 200),
)
def test_examples_are_counted_as_windows_counts_them(
    frame: int, seq: int, hop: int, start: int, length: int, samples: int
) -> None:
    """The audit's arithmetic and that of the data layer are written apart, and agree."""
    start, stop = min(start, samples), min(start + length, samples)
    if stop <= start:
        return
    song = ArraySong(np.arange(samples, dtype=np.int16), 16_000)
    windows = Windows(song, frame=frame, seq=seq, hop=hop, start=start, stop=stop, normalise="none")
    assert examples_that_fit(frame, seq, start, stop, samples, hop) == len(windows)


@given(st.integers(1, 400), st.integers(1, 130), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_order_is_that_of_the_data_layer(examples: int, batch: int, seed: int, epochs: int) -> None:
    scheme = ShuffledScheme(examples, batch, seed)
    due = [indices for epoch in range(epochs) for indices in scheme.mini_batches(epoch)]
    found = fuel_order(examples, batch, seed, epochs)
    assert len(found) == len(due)
    assert all(np.array_equal(a, b) for a, b in zip(found, due, strict=True))


def test_rules() -> None:
    good, bad = Seen("a", True, "fine"), Seen("b", False, "broken by 3")
    assert every_run([], "yes", "nothing").verdict is Verdict.NO_EVIDENCE
    assert every_run([good], "yes", "nothing").verdict is Verdict.REPRODUCED
    broken = every_run([good, bad], "yes", "nothing")
    assert broken.verdict is Verdict.DIFFERS
    assert "b: broken by 3" in broken.text
    assert broken.numbers == {"runs": 2, "runs_that_break_it": 1}
    assert as_coded([], "no", "nothing", by="3").verdict is Verdict.NO_EVIDENCE
    assert as_coded([bad], "no", "nothing", by="3").verdict is Verdict.DIFFERS
    assert as_coded([good, bad], "no", "nothing", by="3").verdict is Verdict.REPRODUCED
    assert as_coded([bad], "no", "nothing", by="3").by == "3"
    odd = Seen("c", False, "off by 7", neither=True)
    neither = as_coded([odd], "0 of 1 as described.", "nothing", by="3")
    assert (neither.verdict, neither.by) == (Verdict.DIFFERS, "off by 7 (c, 1 of 1 run)")
    assert neither.text == "1 of 1 run does neither as described nor as the 2016 code did: c: off by 7."
    mixed = as_coded([odd, bad], f"{others([odd, bad])} as described.", "nothing", by="3")
    assert mixed.text.endswith("nor as the 2016 code did: c: off by 7. 1 of 2 as described.")
    every = as_coded([odd, bad, good], f"{others([odd, bad, good])} as described.", "nothing", by="3")
    assert every.verdict is Verdict.REPRODUCED
    assert every.numbers == {"runs": 3, "runs_as_coded": 1, "runs_of_neither_way": 1}
    assert every.text.endswith(
        "1 of 3 runs does neither as described nor as the 2016 code did: c: off by 7. 1 of 3 as described."
    )
    assert broken.by == "broken by 3 (b, 1 of 2 runs)"
    assert every_run([bad, bad], "yes", "").by == "broken by 3 (b, and 1 more of 2 runs)"
    assert unless_unseen(every_run([good], "yes", ""), 0, "word only").verdict is Verdict.NO_EVIDENCE
    assert unless_unseen(broken, 0, "word only").verdict is Verdict.DIFFERS


def test_every_claim_has_a_check_and_every_check_a_claim() -> None:
    ids = [claim.id for claim in load_claims()]
    assert ids == [f"P{n:02}" for n in range(1, 23)] + [f"D{n:02}" for n in range(1, 16)]
    assert list(CHECKS) == ids
    assert len(set(CHECKS.values())) == len(CHECKS)


@pytest.mark.parametrize("claim", load_claims(), ids=lambda claim: claim.id)
def test_commands_show_the_evidence(claim: object, honest: Path, song: Path) -> None:
    """Each command of claims.toml runs as printed, and prints something."""
    command = claim.command(runs=str(honest), run=str(honest / "40x50-gru-199-s1"), shards=str(song))
    command = re.sub(r"\bpython -([cm])", rf"{shlex.quote(sys.executable)} -\1", command)
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": "src:."}, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
