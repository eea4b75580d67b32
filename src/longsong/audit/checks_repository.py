"""P16: what can be known of the code without asking the network."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import longsong
from longsong.audit.evidence import Evidence
from longsong.audit.verdicts import Finding, Verdict
from longsong.version import __version__

__all__ = ["public_code"]


def public_code(evidence: Evidence) -> Finding:
    """P16: licence, version and commit of this code; that a repository is public, no folder of runs can show."""
    package = Path(longsong.__file__).resolve().parent
    sources = sorted(package.rglob("*.py"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sources)).hexdigest()
    licence, commit = _licence(package), _commit(package)
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
        return Finding(Verdict.DIFFERS, text, numbers)
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


def _commit(package: Path) -> str | None:
    """Read the checkout's commit from `.git`, where there is one, without calling git."""
    git = package.parents[1] / ".git"
    try:
        if git.is_file():  # a linked work tree: "gitdir: PATH"
            git = Path(git.read_text(encoding="utf-8").split(":", 1)[1].strip())
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        common = git / "commondir"
        shared = (git / common.read_text(encoding="utf-8").strip()) if common.exists() else git
        name = head.removeprefix("ref: ")
        if (shared / name).exists():
            return (shared / name).read_text(encoding="utf-8").strip()
        packed = (shared / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split(" ")[0] for line in packed if line.endswith(f" {name}")), None)
    except (OSError, IndexError):
        return None
