"""The cost curves of this song beside those of 2016: shapes on any song, costs on the song of 2016.

A cost of another song says nothing, so that costs are divided by what predicting the mean costs there. Nothing is
trained here: `longsong.experiments.curves_2016` makes the runs, and this reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longsong.audit.cost_curves import AS_CODED, Curves, curves_of_2016, curves_of_run
from longsong.audit.curves_agreement import TOLERANCE, Agreement, agreement_of
from longsong.audit.curves_record import CURVES_FILE, CurvesRecord, ShapeRecord
from longsong.audit.curves_runs import AS_IN_2016, TrainedIn2016, faults_of_curves, unlike_2016
from longsong.audit.original_song import ORIGINAL_SONG, OriginalSong
from longsong.audit.reference_curves import (
    CostOfMean,
    ReferenceCurves,
    cost_of_mean_2016,
    load_reference_curves,
    reference_origin,
)
from longsong.audit.run import Run
from longsong.audit.verdicts import Verdict
from longsong.errors import RunError
from longsong.version import __version__

__all__ = ["CurvesAudit", "ShapeCurves", "compare_curves", "read_curves"]


@dataclass(frozen=True)
class ShapeCurves:
    """All curves of one shape.

    Attributes
    ----------
    record : ShapeRecord
        What was counted and trained.
    reference : Curves
        Of 2016.
    own : tuple of Curves
        Of this song: as described, as coded, as far as they could be trained.
    agreements : tuple of Agreement
        On the song of 2016 alone.
    """

    record: ShapeRecord
    reference: Curves
    own: tuple[Curves, ...]
    agreements: tuple[Agreement, ...]

    @property
    def shape(self) -> str:
        """As ``1000x100``."""
        return self.record.shape

    def sentence(self) -> str:
        """Say in plain words what the curves are, and what cannot be."""
        before = self.reference.shown
        over, low = before.over_mean, before.figures()
        text = (
            f"{self.shape}: in 2016 the dev cost went from {over[0]:.3f} to {over[-1]:.3f} of predicting the mean in "
            f"{low['updates']:,} updates (lowest {low['lowest']:.3f} at update {low['lowest_at_update']:,}; all to "
            f"within {before.error:.1%}, as what predicting the mean cost is derived)."
        )
        for one in self.own:
            costs, which = one.shown, "dev" if one.dev else "train"
            figures = costs.figures()
            end, here = costs.at(before.updates[-1])
            there = (self.reference.dev if one.dev else self.reference.train) or before
            position, then = there.at(end)
            text += (
                f" {one.way.capitalize()}, on this song: the {which} cost from {figures['first']:.3f} to "
                f"{figures['last']:.3f} in {figures['updates']:,} updates (lowest {figures['lowest']:.3f}); after "
                f"{end:,} updates {here:.3f}, in 2016 after {position:,} {then:.3f}."
            )
        return " ".join(part for part in (text, self.record.jumps, self.record.cannot) if part)


@dataclass(frozen=True)
class CurvesAudit:
    """What the curves come to.

    Attributes
    ----------
    record : CurvesRecord
    cost_of_mean : CostOfMean
        Of 2016.
    shapes : tuple of ShapeCurves
    verdict : Verdict
        Of the costs as coded against those of 2016; on another song it cannot be.
    text : str
        Why, in plain sentences.
    """

    record: CurvesRecord
    cost_of_mean: CostOfMean
    shapes: tuple[ShapeCurves, ...]
    verdict: Verdict
    text: str

    def to_json(self) -> dict[str, Any]:
        """Give all as values that JSON holds (``longsong.curves-2016``, version 1)."""
        found = self.record.to_json(made_by={"longsong": __version__})
        found["origin"] = reference_origin()
        found["cost_of_mean_2016"] = asdict(self.cost_of_mean) | {"assumption": self.assumption()}
        found["tolerance"] = TOLERANCE
        found["comparisons"] = [
            {
                "shape": one.shape,
                "curves": [
                    {"way": way.way, "train": way.train.figures(), "dev": way.dev and way.dev.figures()}
                    for way in (one.reference, *one.own)
                ],
                "agreements": [asdict(agreement) for agreement in one.agreements],
                "says": one.sentence(),
            }
            for one in self.shapes
        ]
        return found | {"verdict": self.verdict.value, "text": self.text}

    def assumption(self) -> str:
        """Say what predicting the mean is taken to have cost in 2016, why, and how good that is."""
        mean = self.cost_of_mean
        text = (
            f"Predicting the mean of the 2016 song is taken to cost {mean.dev.value:.5f} on its dev split, to within "
            f"{mean.dev.error:.5f}, and {mean.train.value:.5f} on its train split, to within {mean.train.error:.5f}. "
            "No file says it: the first cost in the plots is that of a network that was not trained and predicts about "
            f"zero, and the recording's mean is taken to be silence, which is {mean.silence:+.4f} after normalising; "
            "its square is taken off."
        )
        off = [abs(one.untrained) for shape in self.shapes for one in shape.own if one.untrained is not None]
        if off:
            text += f" On this song the first dev cost of such a network is that of predicting zero to {max(off):.2%}."
        return text

    def lines(self) -> list[str]:
        """Give the sentences for a terminal, one paragraph each."""
        return [
            *(shape.sentence() for shape in self.shapes),
            self.assumption(),
            f"Costs against those of 2016: {self.verdict}. {self.text}",
        ]


def read_curves(
    path: Path,
    references: Sequence[ReferenceCurves] | None = None,
    original: OriginalSong = ORIGINAL_SONG,
    trained: TrainedIn2016 = AS_IN_2016,
) -> CurvesAudit:
    """Read ``curves-2016.json`` and the runs that it names, and compare again.

    Parameters
    ----------
    path : Path
        The file; its runs lie in its folder, or beside that.
    references : sequence of ReferenceCurves, optional
        Those of the package if not given.
    original : OriginalSong
        What the song of 2016 is recognised by.
    trained : TrainedIn2016
        How the runs of 2016 were made.

    Raises
    ------
    RunError
        The file or a run is missing, cut short or altered, or the file is not what its runs show.
    """
    return compare_curves(CurvesRecord.read(path), path.parent, references, original, trained)


def compare_curves(
    record: CurvesRecord,
    folder: Path,
    references: Sequence[ReferenceCurves] | None = None,
    original: OriginalSong = ORIGINAL_SONG,
    trained: TrainedIn2016 = AS_IN_2016,
) -> CurvesAudit:
    """Compare the runs of a record with the curves of 2016.

    Parameters
    ----------
    record : CurvesRecord
    folder : Path
        Where the names of its runs are from.
    references, original, trained
        As for `read_curves`.

    Raises
    ------
    RunError
        A run is missing, cut short or altered, or is not what the record says; or there is no reference of its shape.
    """
    for fault in faults_of_curves(record, folder, original):
        raise RunError(
            f"{folder / CURVES_FILE} is not what its runs show: {fault}; run longsong audit RUNS --curves again, and "
            "remove what it names if that does not help"
        )
    found = load_reference_curves() if references is None else tuple(references)
    mean = cost_of_mean_2016(found)
    by_shape = {one.shape: one for one in found}
    shapes = []
    for one in record.shapes:
        if one.shape not in by_shape:
            raise RunError(f"there are no curves of 2016 of {one.shape}, only of {', '.join(by_shape)}")
        shapes.append(_compare(one, folder, by_shape[one.shape], mean, record.is_original))
    verdict, text = _judge(record, shapes, trained)
    return CurvesAudit(record, mean, tuple(shapes), verdict, text)


def _compare(
    record: ShapeRecord, folder: Path, reference: ReferenceCurves, mean: CostOfMean, is_original: bool
) -> ShapeCurves:
    before = curves_of_2016(reference, mean)
    own = tuple(curves_of_run(trained, folder) for trained in record.runs)
    agreements = [
        agreement
        for one in own
        if is_original
        for agreement in (
            agreement_of(one.way, "train", one.train, reference.train, record.updates_per_epoch),
            agreement_of(one.way, "dev", one.dev, reference.dev, 1),
        )
        if agreement is not None
    ]
    return ShapeCurves(record, before, own, tuple(agreements))


def _not_compared(shape: ShapeCurves, own: Curves) -> list[str]:
    """Say where a run has no cost for one of 2016: every point that was read counts."""
    due = {
        "train": -(-shape.reference.train.updates[-1] // shape.record.updates_per_epoch),
        "dev": len(shape.reference.dev.updates) if shape.reference.dev else 0,
    }
    found: dict[str, int] = {one.split: one.points for one in shape.agreements if one.way == own.way}
    return [
        f"{shape.shape} {own.way} has {found.get(split, 0)} of the {points} {split} costs to compare"
        for split, points in due.items()
        if found.get(split, 0) != points
    ]


def _judge(record: CurvesRecord, shapes: Sequence[ShapeCurves], trained: TrainedIn2016) -> tuple[Verdict, str]:
    """Judge the costs as coded, which is how those of 2016 were made (D01)."""
    if not record.is_original:
        return Verdict.CANNOT_BE, f"{record.recognised} Only the shapes of the curves can be compared."
    short = []
    for one in shapes:
        there = one.reference.train.updates[-1]
        runs = [own for own in one.own if own.way == AS_CODED]
        if not runs:
            return Verdict.NO_EVIDENCE, f"{record.recognised} There is no run of {one.shape} as coded."
        short += [
            f"{one.shape} has {own.train.updates[-1]:,} updates, in 2016 {there:,}"
            for own in runs
            if own.train.updates[-1] != there or own.dev is None
        ]
        for own in runs:
            other = unlike_2016(Run.open(own.folder), trained) if own.folder is not None else []
            short += [f"{one.shape} as coded was made with {', '.join(other)}"] if other else []
            short += _not_compared(one, own)
    agreements = [(one.shape, found) for one in shapes for found in one.agreements]
    coded = [found for _, found in agreements if found.way == AS_CODED]
    told = "; ".join(
        f"{shape} {found.way}, {found.split}: {found.points - found.outside} of {found.points} points to within "
        f"{TOLERANCE:.0%} and the error of reading, {found.mean:.1%} off on average and {found.largest:+.1%} at most "
        f"(update {found.at:,})"
        for shape, found in agreements
    )
    holds = not short and not any(found.outside for found in coded)
    text = " ".join([record.recognised, *([f"{told}."] if told else []), *(f"{one}." for one in short)])
    return Verdict.REPRODUCED if holds else Verdict.DIFFERS, text
