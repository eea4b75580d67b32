"""How long the report's page takes to open in a browser, and what it loads to do so, up to 140 runs with sound.

``python -m benchmarks.report_page [--quick] [--json FILE]`` writes folders of runs without training them (curves,
figures and sounds of one run under other names), makes the page of each, and opens it from the disk in headless
Chromium, which Debian's packages chromium and chromium-driver and ``pip install -e .[dev]`` provide. Pages in turns,
each opened anew; medians.

Ratios, by name:

``load_seconds:RUNS``
    From the start of navigation to the end of the load event.
``load_over_allowed:RUNS``
    The same over the two seconds that a page of 140 runs may take.
``page_bytes:RUNS``
    Of the HTML.
``resources:RUNS``
    Files that are asked for beside it: pictures near the window.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.harness import arguments, interleaved, machine, render_table, report
from benchmarks.processes import ROOT, BenchmarkError

__all__ = ["ALLOWED_SECONDS", "Scale", "main", "make_pages", "measure_pages", "ratios"]

ALLOWED_SECONDS = 2.0
PACKAGES = ("selenium", "jinja2")
SUPPORT = str(ROOT / "tests" / "support")
if SUPPORT not in sys.path:  # runs that nobody trained, and the browser, are those of the tests
    sys.path.append(SUPPORT)

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "page": ("page of", str),
    "write_seconds": ("written in, s", lambda value: f"{value:.1f}"),
    "page_bytes": ("page, KiB", lambda value: f"{value / 1024:,.0f}"),
    "sound_bytes": ("sounds, MiB", lambda value: f"{value / 2**20:,.1f}"),
    "load_seconds": ("load, s", lambda value: f"{value:.3f}"),
    "slowest_seconds": ("slowest, s", lambda value: f"{value:.3f}"),
    "resources": ("files loaded", str),
    "loaded_bytes": ("loaded, KiB", lambda value: f"{value / 1024:,.0f}"),
}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes
    ----------
    runs : tuple of int
        On each page; at most 140.
    sound_seconds, song_seconds : float
        Of each sound; and of the song, on which the number of updates depends that curves are drawn from.
    rounds : int
    """

    runs: tuple[int, ...] = (35, 140)
    sound_seconds: float = 30.0
    song_seconds: float = 600.0
    rounds: int = 7


FULL = Scale()
QUICK = Scale(runs=(140,), sound_seconds=2.0, song_seconds=60.0, rounds=3)


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    from browser import Browser, why_no_browser

    if reason := why_no_browser():
        raise SystemExit(f"nothing can be measured: {reason}")
    described = machine(PACKAGES)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.work) as folder:
        scale = QUICK if options.quick else FULL
        rows = make_pages(Path(folder), scale)
        rows += [{"page": str(path), "path": path, "page_bytes": path.stat().st_size} for path in options.page]
        with Browser(Path(folder)) as browser:
            described["browser"] = browser.driver.capabilities["browserVersion"]
            print(f"{described['processor']}, Chromium {described['browser']}")
            measured = measure_pages(browser, rows, scale.rounds)
    print("\n" + render_table(measured, COLUMNS) + "\n", flush=True)
    report(options.json, described, measured, ratios(measured))


def make_pages(work: Path, scale: Scale) -> list[dict[str, Any]]:
    """Write a folder of runs for each number of them, and its page.

    Returns
    -------
    list of dict
        ``page`` (the number of runs, as text), ``path``, ``write_seconds``, ``page_bytes`` and ``sound_bytes``.
    """
    from many_runs import MANY, write_many
    from run_folders import RATE, Spec, write_run, write_song, write_sound

    from longsong.audit import audit
    from longsong.report import write_report

    shards = write_song(work / "shards", seconds=scale.song_seconds)
    one = work / "one"
    one.mkdir()
    run = write_run(one, shards, Spec(40, 50))
    noise = np.random.default_rng(30).normal(0, 3000, round(scale.sound_seconds * RATE))
    write_sound(run, np.clip(noise, -32768, 32767).astype(np.int16))
    found = audit(one)  # of one run: the ledger of copies would be of lies, and is no longer than that of one
    rows = []
    for count in scale.runs:
        runs = write_many(work / f"runs-{count}", run, shards, MANY[:count])
        begun = time.perf_counter()
        page = write_report(runs, found)
        seconds = time.perf_counter() - begun
        sounds = sum(path.stat().st_size for path in runs.glob("*/generated.wav"))
        rows.append(
            {
                "page": str(count),
                "path": page,
                "write_seconds": seconds,
                "sound_bytes": sounds,
                "page_bytes": page.stat().st_size,
            }
        )
    return rows


def measure_pages(browser: Any, pages: list[dict[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """Open pages in turns.

    Parameters
    ----------
    browser : browser.Browser
        Of tests/support.
    pages : list of dict
        As `make_pages` gives them.
    rounds : int

    Returns
    -------
    list of dict
        The same with ``load_seconds`` (median), ``slowest_seconds``, ``resources`` and ``loaded_bytes``, and ``path``
        as text.

    Raises
    ------
    BenchmarkError
        A page has an error, loads a sound, or asks for something that is no file beside it.
    """
    seconds = interleaved({page["page"]: partial(_load_seconds, browser, page["path"]) for page in pages}, rounds)
    rows = []
    for page in pages:
        loaded = _loaded(browser, page["path"])
        rows.append(
            {
                **page,
                "path": str(page["path"]),
                "load_seconds": median(seconds[page["page"]]),
                "slowest_seconds": max(seconds[page["page"]]),
                "resources": len(loaded),
                "loaded_bytes": sum(path.stat().st_size for path in loaded),
            }
        )
    return rows


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give the ratios, by the names that the module says."""
    found: dict[str, float] = {}
    for row in rows:
        found[f"load_seconds:{row['page']}"] = row["load_seconds"]
        found[f"load_over_allowed:{row['page']}"] = row["load_seconds"] / ALLOWED_SECONDS
        found[f"page_bytes:{row['page']}"] = row["page_bytes"]
        found[f"resources:{row['page']}"] = row["resources"]
    return found


def _load_seconds(browser: Any, page: Path) -> float:
    browser.open(page)
    # The load event has begun when `open` returns; it may not have ended.
    return float(browser.until("performance.getEntriesByType('navigation')[0].loadEventEnd")) / 1000


def _loaded(browser: Any, page: Path) -> list[Path]:
    """Give the files that a page asks for, beside itself."""
    from urllib.parse import unquote, urlsplit

    browser.open(page)
    if said := browser.complaints():
        raise BenchmarkError(f"{page}: {said[0]}")
    addresses = [urlsplit(address) for address in browser.requested()]
    files = [Path(unquote(address.path)) for address in addresses]
    for address, file in zip(addresses, files, strict=True):
        if address.scheme != "file" or not file.is_file() or file.suffix == ".wav":
            raise BenchmarkError(f"{page} asked for {address.geturl()} before anybody wanted it")
    return [file for file in files if file != page.resolve()]


def _options() -> argparse.Namespace:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--page",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="another page to open, such as runs/report/index.html",
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to put the runs, removed at the end")
    return parser.parse_args()


if __name__ == "__main__":
    main()
