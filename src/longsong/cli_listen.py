"""The command that makes a page to listen to."""

from __future__ import annotations

import argparse

from longsong.arguments import add_cache, local, place
from longsong.config import CacheConfig

__all__ = ["add_listen", "listen"]


def add_listen(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong listen`."""
    add = parser.add_argument
    add("runs", type=local, nargs="+", metavar="RUN", help="folders of trained runs")
    add("--output", type=local, metavar="FOLDER", help="folder to write (default: listening, beside the runs)")
    add("--seconds", type=float, default=30.0, metavar="N", help="length of each sound (default: %(default)s)")
    add("--shards", type=place, metavar="SHARDS", help="the song's folder or URL (default: as it was trained on)")
    add_cache(parser)


def listen(a: argparse.Namespace) -> None:
    """Generate in every way, and write the page."""
    from longsong.listening import listen as listen_to

    cache = CacheConfig(a.cache, a.cache_bytes)
    print(f"the page is {listen_to(a.runs, a.output, a.seconds, shards=a.shards, cache=cache)}")
