"""How `streams` feeds a trainer, beside its peers and beside the least that can be done.

``python -m benchmarks.streams [--quick] [--json FILE]`` compares, for one song in three shapes, global shuffle and
mini-batches of 128, in one thread: samples per second, time to the first mini-batch, peak memory, bytes on disk,
seconds to prepare. It then opens songs of many hours, and prepares one from audio files. ``requirements.txt`` beside
this file has the peers; those that are not installed are left out and named.

Ratios, by name:

``ours_over_floor:SHAPE``, ``ours_over_fastest_peer:SHAPE``
    Of samples per second, of the medians.
``ours_first_epoch_over_later:SHAPE``
    The first epoch of a new `Song`, in which the digests are compared, over those that follow.
``first_batch_ms:CASE:HOURS``, ``first_batch_over_shuffle_and_50ms:CASE:HOURS``
    From `Song.open` to the first mini-batch; over NumPy's own shuffle of as many numbers and 50 ms.
``anonymous_mb:CASE:HOURS``, ``anonymous_last_over_first_tenth:CASE:HOURS``
    RssAnon above that of the interpreter with its imports, over an epoch.
``shard_over_decoding:FORMAT``
    Speed of `longsong shard` over that of decoding and resampling alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import comparison, long_runs, preparing
from benchmarks.candidates import CANDIDATES
from benchmarks.harness import arguments, machine, render_table, report
from benchmarks.stream_peers.fuel_hdf5 import FOLDER_VARIABLE

__all__ = ["main"]

PARTS = ("compare", "long", "prepare")
PACKAGES = ("numpy", "numba", "torch", "webdataset", "mosaicml-streaming", "litdata", "h5py", "soundfile", "soxr")

_SAMPLES_A_MINUTE = 60 * 16_000

FULL = comparison.Plan(samples=120 * _SAMPLES_A_MINUTE), long_runs.LongPlan()
QUICK = (
    # One mini-batch of 4000x50, and a little of a second one.
    comparison.Plan(samples=27 * _SAMPLES_A_MINUTE, rounds=5, seconds=0.05, openings=1, checked=1),
    long_runs.LongPlan(hours=(1, 10), epochs=((1000, 100),), openings=long_runs.LongPlan.openings[:2], times=3),
)


QUICK_SONG = {"minutes": 1, "rounds": 3, "endings": ("wav", "flac")}
FULL_SONG = {"minutes": 15, "rounds": 5, "endings": tuple(preparing.FORMATS)}


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    if options.fuel:
        os.environ[FOLDER_VARIABLE] = str(options.fuel.resolve())
    plan, long_plan = QUICK if options.quick else FULL
    if options.hours:
        long_plan = replace(long_plan, hours=tuple(options.hours))
    left_out = {name: missing for name in options.candidates if (missing := CANDIDATES[name].missing())}
    described = {**machine(PACKAGES), "left_out": left_out}
    print(f"{described['processor']}, {described['cores']} cores, Python {described['python']}")
    for name, missing in left_out.items():
        print(f"left out: {CANDIDATES[name].title}; not installed: {missing}")

    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.work) as folder:
        work = Path(folder)
        if "compare" in options.parts:
            here = [name for name in options.candidates if name not in left_out]
            with comparison.run_candidates(here) as workers:
                found = comparison.compare(workers, work, plan)
            rows += found
            ratios |= comparison.ratios_of(found)
            print("\n" + render_table(found, comparison.COLUMNS))
        if "long" in options.parts:
            found = long_runs.read_long_songs(work, long_plan)
            rows += found
            ratios |= long_runs.ratios_of_long(found)
            print("\n" + render_table(found, long_runs.COLUMNS))
        if "prepare" in options.parts:
            found = preparing.prepare_songs(work, **(QUICK_SONG if options.quick else FULL_SONG))
            rows += found
            ratios |= preparing.ratios_of_preparing(found)
            print("\n" + render_table(found, preparing.COLUMNS))
    print()
    report(options.json, described, rows, ratios)


def _options() -> argparse.Namespace:
    parser = arguments(__doc__.partition("\n")[0])
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where to put the songs (some 3 GB), removed at the end"
    )
    parser.add_argument("--fuel", type=Path, metavar="FOLDER", help="the unpacked source of fuel 0.2.0")
    parser.add_argument(
        "--hours", type=float, nargs="+", metavar="H", help="lengths of the long songs, in rising order"
    )
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), metavar="NAME")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
