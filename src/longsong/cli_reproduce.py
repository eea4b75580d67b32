"""`longsong reproduce` and `longsong status`: the grid, run and looked at."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

from longsong.arguments import command_words, count, duration, local, place, widths
from longsong.config import Device, ExecutionConfig, Precision

__all__ = ["add_reproduce", "add_status", "reproduce", "status"]

_FAILED = 1
_SECONDS_BETWEEN_LOOKS = 2.0


def add_reproduce(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong reproduce`."""
    add = parser.add_argument
    add("--song", type=local, nargs="+", metavar="FILE", help="audio files, in order (default: the demo song)")
    add("--seconds", type=float, metavar="N", help="take the first N seconds of the song")
    add(
        "--profile",
        choices=("demo", "full", "smoke"),
        help="how much (default: full with CUDA, on a cluster on every node, else demo)",
    )
    add("--set", choices=("post", "code"), default="post", help="the post's grid, or the 2016 code's configurations")
    add("--widths", type=widths, metavar="W,W", help="hidden units, such as 199,256")
    add("--only", metavar="SHAPES", help="only these shapes, such as 1000x100,40x50")
    add("--all", action="store_true", help="longer sequences too")
    add("--budget", type=duration, metavar="TIME", help="choose what covers most of the grid in this time (2h, 45m)")
    add(
        "--dry-run",
        action="store_true",
        help="make the shards alone, and say what would be run, in what time and space",
    )
    add("--side-by-side", type=count, metavar="N", help="runs at once (default: as many as make all end sooner)")
    add("--shards", type=local, default=Path("shards"), metavar="DIR", help="songs' shards (default: %(default)s)")
    add("--out", type=local, metavar="DIR", help="folder of the runs (default: runs, or runs/SONG)")
    add("--device", choices=get_args(Device), default="auto", help="where to compute (default: %(default)s)")
    add("--precision", choices=get_args(Precision), default="float32", help="default: %(default)s")
    add(
        "--keep-checkpoints",
        type=count,
        default=1,
        metavar="N",
        help="newest checkpoints that stay of a run while it trains (default: %(default)s)",
    )
    add("--ray", metavar="ADDRESS", help="run on a Ray cluster: HOST:PORT of its head, or auto (longsong[ray])")
    add(
        "--storage",
        type=place,
        metavar="URL",
        help="where its nodes keep runs, such as s3://… (default: all of them see --out)",
    )


def reproduce(a: argparse.Namespace) -> int:
    """Do the main job."""
    import torch

    from longsong.errors import ConfigError
    from longsong.training.device import find_device, require_precision

    execution = ExecutionConfig(device=a.device, precision=a.precision)
    if a.storage is not None and a.ray is None:
        raise ConfigError("--storage is for the nodes of a cluster, and there is none; give --ray too, or leave it out")
    with ExitStack() as joined_here:
        if a.ray is None:
            accelerated = find_device(a.device).type == "cuda"
        else:  # joined for all that follows; a wrong address is found before a song is decoded
            from longsong.scheduling.ray_cluster import joined

            accelerated = joined_here.enter_context(joined(a.ray)).accelerated(a.device)
        require_precision(a.precision, torch.device("cuda" if accelerated else "cpu"))
        return _reproduce(a, execution, a.profile or ("full" if accelerated else "demo"))


def _reproduce(a: argparse.Namespace, execution: ExecutionConfig, profile: str) -> int:
    from longsong.files import require_writable
    from longsong.grid import Choice, parse_shapes
    from longsong.progress import print_line
    from longsong.reproduce import Resources, default_folder, plan, prepare_song
    from longsong.reproduce import reproduce as run_grid

    chosen = Choice(
        profile,
        reported=a.set,
        widths=a.widths,
        only=None if a.only is None else parse_shapes(a.only),
        everything=a.all,
        execution=execution,
    )
    # What is wrong with the options is said before a song of hours is decoded.
    chosen.configurations()
    require_writable(a.out or Path("runs"))
    song = prepare_song(a.song or [], profile, a.seconds, a.shards)
    out = a.out or default_folder(song, given=bool(a.song))
    on = Resources(a.side_by_side, a.budget, a.ray, a.storage)
    if a.dry_run:
        plan(song, chosen, out, on)
        return 0
    outcome = run_grid(song, chosen, out, on, keep_checkpoints=a.keep_checkpoints, command=command_words(a))
    for run in outcome.failed:
        print_line(f"failed: {run.name}: {run.reason}", error=True)
    left_out = [run for run in outcome.runs if run.state == "left out"]
    if left_out:
        print_line(f"left out: {len(left_out)} runs; the same command, with more time, goes on with them")
    print_line(f"the report is {outcome.page}")
    return _FAILED if outcome.failed else 0


def add_status(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong status`."""
    parser.add_argument("runs", type=local, metavar="RUNS", help="folder of runs, as `longsong reproduce` has it")
    parser.add_argument("--watch", action="store_true", help="show it again and again until nothing runs any more")
    parser.add_argument("--json", action="store_true", help="give it as JSON")


def status(a: argparse.Namespace) -> int:
    """Show what is running, done and left in a folder of runs."""
    from longsong.grid_status import read_status
    from longsong.grid_table import Table, format_table, headline

    found = read_status(a.runs)
    if a.watch and not a.json:
        with Table(str(a.runs)) as table:
            while found["state"] == "running":
                table.show(found)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                found = read_status(a.runs)
    if a.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    print(format_table(found))
    print(headline(found))
    print(found["said"])
    return 0
