"""P16 and P17: what can be known of the code without asking the network, and whether it does what the post says."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import longsong
from longsong.audit.evidence import Evidence
from longsong.audit.verdicts import Finding, Seen, Verdict, all_of, every_run
from longsong.errors import RunError
from longsong.version import __version__, source_commit

__all__ = ["described_process", "public_code"]

_SAME = 1e-5
"""How far two dev costs of one network may be apart that were both computed here, in float32."""


def public_code(evidence: Evidence) -> Finding:
    """P16: licence, version and commit of this code; that a repository is public, no folder of runs can show."""
    package = Path(longsong.__file__).resolve().parent
    sources = sorted(package.rglob("*.py"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sources)).hexdigest()
    licence, commit = _licence(package), source_commit()
    versions = sorted({run.of("made_by.longsong") for run in evidence.complete})
    numbers = {
        "version": __version__,
        "versions_of_the_runs": versions,
        "commit": commit,
        "licence": None if licence is None else licence.name,
        "source_files": len(sources),
        "sources_sha256": digest,
    }
    if licence is None:
        text = f"The code at hand ({package}) has no licence, so that nobody may publish or use it."
        return Finding(Verdict.DIFFERS, text, numbers, by=f"0 files of a licence beside {len(sources)} source files")
    others = [version for version in versions if version != __version__]
    text = (
        f"This audit asks no network, and whether the repository of 2016 is public cannot be seen from runs. What "
        f"can: the code at hand is version {__version__}"
        + (f", commit {commit[:12]}" if commit else ", no git checkout")
        + f", {len(sources)} source files (sha256 {digest[:12]}…), with its licence beside it."
    )
    if others:
        text += f" Runs were made by other versions of it ({', '.join(others)})."
    return Finding(Verdict.CANNOT_BE, text, numbers, (licence,))


def described_process(evidence: Evidence) -> Finding:
    """P17: whether the same parameters predict the same, used as the post describes and as the code does (D01)."""
    seen: list[Seen] = []
    unseen: list[str] = []
    moved: dict[str, float] = {}
    for run in evidence.described:
        try:
            own = evidence.dev_cost(run)
            way = own.recurrence
            other = evidence.dev_cost_otherwise(run, "batch" if way == "time" else "time")
            bare = evidence.dev_cost_otherwise(run, way, 1)
        except RunError as error:
            unseen.append(str(error))
            continue
        if abs(bare.computed[1] / own.computed[1] - 1) <= _SAME:
            unseen.append(f"{run.name} predicts the same with no state at all, along whatever axis")
            continue
        post, code = (own, other) if way == "time" else (other, own)
        moved[run.name] = change = code.computed[1] / post.computed[1] - 1
        says = (
            f"a dev cost of {post.computed[1]:.6g} the post's way and of {code.computed[1]:.6g} the code's, "
            f"{change:+.3%}"
        )
        files = (run.path("metrics.jsonl"), run.best_parameters)
        seen.append(Seen(run.name, abs(change) <= _SAME, says, files))
    seen.sort(key=lambda one: -abs(moved[one.run]))
    numbers = {
        "change_of_the_dev_cost": [min(moved.values()), max(moved.values())] if moved else None,
        "same_within": _SAME,
        "runs_left_out": len(unseen),
    }
    good = (
        f"The networks of {all_of(seen)} runs have the same dev cost the post's way and the code's, with the "
        "recurrence over the examples of a mini-batch."
    )
    nothing = f"No dev cost could be computed both ways ({'; '.join(unseen[:1]) or 'no run is complete'})."
    return every_run(seen, good, nothing, numbers)


def _licence(package: Path) -> Path | None:
    """Find the licence: beside the checkout's pyproject.toml, or among the files of the installed package."""
    root = package.parents[1]
    if (root / "pyproject.toml").exists():
        return root / "LICENSE" if (root / "LICENSE").is_file() else None
    try:
        installed = distribution("longsong")
    except PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in installed.files or [] if file.name == "LICENSE"]
    return found[0] if found and found[0].is_file() else None
