"""The commit of the code at hand: from a checkout in every state that git leaves it in, or from what pip recorded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from longsong import version
from longsong.version import source_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that the code believes to be in; gives its ``.git``."""
    monkeypatch.setattr(version, "__file__", str(tmp_path / "src" / "longsong" / "version.py"))
    source_commit.cache_clear()
    monkeypatch.setattr(version, "distribution", lambda _: Recorded(None))
    return tmp_path / ".git"


@pytest.fixture(autouse=True)
def forget() -> Any:
    yield
    source_commit.cache_clear()


class Recorded:
    def __init__(self, text: str | None) -> None:
        self.text = text

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


def files(git: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = git / name.replace("__", "/").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_this_very_checkout() -> None:
    if not Path(".git").exists():
        pytest.skip("no checkout")
    said = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip(f"git does not say: {said.stderr.strip()}")
    assert source_commit() == said.stdout.strip()


def test_on_a_branch(package: Path) -> None:
    files(package, HEAD="ref: refs/heads/main", refs__heads__main=COMMIT)
    assert source_commit() == COMMIT


def test_on_no_branch(package: Path) -> None:
    files(package, HEAD=COMMIT)
    assert source_commit() == COMMIT


def test_packed(package: Path) -> None:
    files(package, HEAD="ref: refs/heads/main", packed_refs=f"{'f' * 40} refs/heads/main2\n{COMMIT} refs/heads/main")
    assert source_commit() == COMMIT


def test_a_linked_work_tree(package: Path) -> None:
    shared = package.parent / "elsewhere" / ".git"
    files(shared, refs__heads__side=COMMIT, worktrees__w__HEAD="ref: refs/heads/side", worktrees__w__commondir="../..")
    package.write_text(f"gitdir: {shared / 'worktrees' / 'w'}\n")
    assert source_commit() == COMMIT


def test_a_checkout_that_says_nothing(package: Path) -> None:
    package.mkdir()
    assert source_commit() is None


@pytest.mark.parametrize(
    ("recorded", "commit"),
    [
        ({"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, COMMIT),
        ({"url": "file:///x", "dir_info": {}}, None),
        ({"vcs_info": {"commit_id": 5}}, None),
        ([], None),
        (None, None),
    ],
)
def test_installed_by_pip(package: Path, monkeypatch: pytest.MonkeyPatch, recorded: Any, commit: str | None) -> None:
    text = None if recorded is None else json.dumps(recorded)
    monkeypatch.setattr(version, "distribution", lambda _: Recorded(text))
    assert source_commit() == commit
