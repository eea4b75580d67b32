"""The command that compares every byte of shards, or of runs, with what vouches for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from longsong.arguments import place

__all__ = ["add_verify", "verify"]

_FAILED = 1


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong verify`."""
    add = parser.add_argument
    add("place", type=place, metavar="PLACE", help="folder of runs, or folder or URL of shards")
    add(
        "--set-aside",
        action="store_true",
        help="move what is damaged of runs into a folder named damaged, so that it is made again",
    )


def verify(a: argparse.Namespace) -> int:
    """Name all that is damaged; gives the exit status."""
    from longsong.errors import ConfigError
    from longsong.integrity.folder import holds_runs
    from longsong.verify import verify as verify_shards

    if isinstance(a.place, Path) and not (a.place / "index.json").exists() and holds_runs(a.place):
        return _verify_runs(a.place, a.set_aside)
    if a.set_aside:
        raise ConfigError(f"--set-aside is for folders of runs, and {a.place} is none; leave it out")
    return _say(verify_shards(a.place))


def _verify_runs(root: Path, aside: bool) -> int:
    from longsong.integrity.aside import set_aside, set_file_aside
    from longsong.integrity.folder import verify_runs
    from longsong.integrity.run_damage import is_run

    found = verify_runs(root)
    for folder, damages in found.damages.items():
        _say(damages)
        if not aside:
            continue
        if any(damage.part != "other" for damage in damages):
            print(set_aside(folder))
        for damage in damages:
            if damage.part == "other" and damage.path.exists():
                print(set_file_aside(damage, folder.parent if is_run(folder) else folder))
    _say(found.unread)
    every = [damage for damages in found.damages.values() for damage in damages]
    there = any(damage.part != "other" or damage.path.exists() for damage in every)
    if there and not aside:
        print(
            f"longsong: `longsong verify {root} --set-aside` puts it aside; the command that made it makes it again",
            file=sys.stderr,
        )
    return _FAILED if found.damages or found.unread else 0


def _say(damages: Sequence[object]) -> int:
    for damage in damages:
        print(f"longsong: {damage}", file=sys.stderr)
    return _FAILED if damages else 0
