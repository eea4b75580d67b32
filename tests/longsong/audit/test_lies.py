"""Every row of the ledger turns when it is lied about, for the right reason, and no other row does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lies_about_costs
import lies_about_records
import lies_about_sound
import lies_about_the_code
import lies_about_training
import pytest
from audit_lies import LIES, Lie, Scene
from run_folders import copy

import longsong.audit.checks_data as checks_data
import longsong.audit.grid as grid
from longsong.audit import Audit, audit
from longsong.audit.ledger import CHECKS

assert lies_about_costs
assert lies_about_records
assert lies_about_sound
assert lies_about_the_code
assert lies_about_training

TWINS = {
    "P12": {"D04", "D14"}, "D04": {"P12"}, "D14": {"P12", "P14"},  # what is fed back, how often, and heard
    "P14": {"D02", "D03"}, "D02": {"P14"}, "D03": {"P14", "P12"},  # what of a prediction stands in the wav
    "D08": {"P05", "P06", "D07"},  # the number of examples
}  # fmt: skip
"""D rows that say of the 2016 code the very thing that a P row denies: a lie about one is a lie about the other."""


@pytest.fixture(scope="module")
def before() -> dict[str, Audit]:
    """Audits of the good folders, by their names."""
    return {}


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    song: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, Audit],
) -> Callable[[str], Scene]:
    """Copy a good folder of runs, and audit it once."""

    def of(base: str) -> Scene:
        if base == "whole":
            for module in (checks_data, grid):
                monkeypatch.setattr(module, "FRAMES", (40, 50))
                monkeypatch.setattr(module, "SEQUENCES", (50,))
        good: Path = request.getfixturevalue("compared" if base == "compared" else "honest")
        if base not in before:
            before[base] = audit(good)
        return Scene(copy(good, tmp_path / "runs"), song, tmp_path, monkeypatch)

    return of


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_lie_is_noticed_where_it_is_told_and_nowhere_else(
    lie: Lie, scene: Callable[[str], Scene], before: dict[str, Audit]
) -> None:
    told = scene(lie.base)
    lie.tell(told)
    found = audit(told.runs)
    turned = {
        row.id: row.verdict.value
        for row, good in zip(found.rows, before[lie.base].rows, strict=True)
        if row.verdict is not good.verdict
    }
    assert turned == lie.turns
    row = found.row(lie.claim)
    assert lie.says in row.text
    if lie.claim not in lie.turns:
        assert "neither as described nor as the 2016 code did" in row.text
        assert lie.says not in before[lie.base].row(lie.claim).text
    for other in found.rows:
        assert bool(other.by) == (other.verdict == "differs"), other.id
        assert any(c.isdigit() for c in other.by.rsplit(" (", 1)[0]) or not other.by, other.by


def test_every_row_has_a_lie_that_turns_it() -> None:
    assert {lie.claim for lie in LIES if lie.claim in lie.turns} == set(CHECKS)
    assert all(lie.claim in lie.turns or (lie.claim.startswith("D") and lie.says) for lie in LIES)


def test_every_way_of_the_code_has_a_signature_that_what_is_merely_wrong_lacks() -> None:
    """But for those of which every run is as described or as coded: D06 and D07 by their words, D04 by P12."""
    neither = {lie.claim for lie in LIES if lie.claim not in lie.turns}
    assert neither == {f"D{n:02}" for n in range(1, 16)} - {"D04", "D06", "D07"}


@pytest.mark.parametrize("claim", CHECKS)
def test_every_row_has_a_lie_that_breaks_it_and_nothing_else(claim: str) -> None:
    alone = [
        lie
        for lie in LIES
        if lie.claim == claim and claim in lie.turns and set(lie.turns) <= {claim} | TWINS.get(claim, set())
    ]
    assert alone, f"no lie is about {claim} alone"


def test_no_lie_is_told_twice() -> None:
    assert len({str(lie) for lie in LIES}) == len(LIES)


@pytest.mark.parametrize("base", ["honest", "compared", "whole"])
def test_good_folders_bear_out_what_is_lied_about(
    base: str, before: dict[str, Audit], scene: Callable[[str], Scene]
) -> None:
    """A claim that was not borne out before it was lied about could turn for any reason."""
    scene(base)
    about = {lie.claim for lie in LIES if lie.base == base and lie.claim.startswith("P")}
    # On the other base (P04), for an audit without a network (P16), and true of the post and not of its code (P17).
    about -= {"P04", "P16", "P17"} if base == "honest" else set()
    assert {id: before[base].row(id).verdict.value for id in about} == dict.fromkeys(about, "reproduced")
