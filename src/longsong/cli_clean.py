"""The command that frees what runs do not need any more."""

from __future__ import annotations

import argparse
import sys

from longsong.arguments import local

__all__ = ["add_clean", "clean"]


def add_clean(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong clean`."""
    add = parser.add_argument
    add("runs", type=local, metavar="RUNS", help="folder of runs, such as runs/, or of one")
    add("--yes", action="store_true", help="remove it; without this, only say what would be removed")
    add(
        "--keep-checkpoints",
        type=int,
        default=1,
        metavar="N",
        help="newest checkpoints that a run keeps which is not complete (default: %(default)s)",
    )
    add("--events", action="store_true", help="TensorBoard's events of complete runs too, which no report needs")
    add("--list", action="store_true", help="name each file and folder")


def clean(a: argparse.Namespace) -> None:
    """Say what can go, and remove it where that is asked for."""
    from longsong.cleaning import KINDS, find_items
    from longsong.cleaning import clean as remove
    from longsong.units import human_bytes

    found = find_items(a.runs, keep_checkpoints=a.keep_checkpoints, events=a.events)
    done = remove(found) if a.yes else found
    for place in done.busy:
        print(f"longsong: {place} is at work; nothing of it is touched", file=sys.stderr)
    if a.list:
        for item in done.items:
            print(f"{human_bytes(item.bytes):>10}  {item.path}")
    for kind, (count, size) in done.by_kind().items():
        print(f"{human_bytes(size):>10}  {count:>6,}  {KINDS[kind]}")
    freed = "freed" if a.yes else "would be freed; --yes removes it"
    print(f"{human_bytes(done.bytes):>10}  {freed}; {human_bytes(done.kept)} stay")
