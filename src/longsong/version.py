"""The version, as installed, and the commit that it was made from."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

__all__ = ["__version__", "source_commit"]

try:
    __version__ = version("longsong")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+checkout"


@cache
def source_commit() -> str | None:
    """Give the commit of the code at hand: of the checkout, or that which pip installed from; None where neither says.

    Git is not called. What a checkout has changed since its commit is not seen.
    """
    git = Path(__file__).resolve().parents[2] / ".git"
    return _commit_of_checkout(git) if git.exists() else _commit_of_installation()


def _commit_of_checkout(git: Path) -> str | None:
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


def _commit_of_installation() -> str | None:
    """Read what pip recorded of an installation from a repository (PEP 610)."""
    try:
        recorded = json.loads(distribution("longsong").read_text("direct_url.json") or "{}")
        commit = recorded.get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return None
    return commit if isinstance(commit, str) else None
