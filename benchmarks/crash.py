"""Whether anything is lost when machines fail: a small grid, disturbed again and again, and compared with one in peace.

``python -m benchmarks.crash [--hours H | --rounds N | --quick] [--profile demo] [--seed S] [--json FILE]``. In each
round a grid is begun in an empty folder on a small disk, and at random moments a random fault is done to it
(``benchmarks/faults.py``); whenever it has ended it is begun again. Then it is left in peace: after at most one more
start all runs have to be done, with the same bytes in their parameters and sounds as those of the undisturbed grid,
with nothing that ``longsong verify`` finds damaged, and with the same verdicts in the audit. The seed is printed first
and decides all but the timing of processes.

Ratios, by name:

``lost``
    Runs, over all rounds, that were not as in the undisturbed grid; 0 is due.
``faults_per_start``
    Faults that were done, over starts of the grid.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.faults import FAULTS, Victim, small_disk, without_override
from benchmarks.harness import arguments, machine, render_table, report
from benchmarks.processes import BenchmarkError, child_environment
from longsong.grid_file import GRID

__all__ = ["Grid", "Round", "disturbed", "main", "possible_faults", "undisturbed"]

_SECONDS_TO_END = 3600.0
_ONLY_OF_RESUMED = {"D10": "differs"}
"""What a row says of runs that were resumed and go on as described; of the undisturbed grid it has none to speak of."""

_PARAMETERS = ("checkpoints/best.safetensors", "generated.wav")
_LAST = "checkpoints/update-*/*.safetensors"

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "round": ("round", str),
    "starts": ("starts", str),
    "faults": ("faults", str),
    "seconds": ("s", lambda value: f"{value:.0f}"),
    "lost": ("lost", str),
}


@dataclass
class Round:
    """What happened in a round, and what came of it.

    Attributes
    ----------
    faults : Counter
        How often which fault was done.
    starts : int
        Of the grid.
    seconds : float
    lost : list of str
        What is not as in the undisturbed grid, in words; empty where all is.
    """

    faults: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Profile:
    """How much is run, and how often it is disturbed.

    Attributes
    ----------
    words : tuple of str
        Of the command.
    disk : int
        Bytes of the small disk.
    pauses : tuple of float
        The shortest and the longest time in seconds from one fault to the next.
    """

    words: tuple[str, ...]
    disk: int
    pauses: tuple[float, float]


PROFILES = {
    # The smallest grid that has several runs of each kind of cell.
    "smoke": Profile(("--profile", "smoke", "--only", "1000x50", "--widths", "16"), 512 << 20, (0.5, 6.0)),
    "demo": Profile(("--profile", "demo"), 2 << 30, (2.0, 60.0)),
}


@dataclass(frozen=True)
class Grid:
    """The grid that is run."""

    shards: Path
    profile: Profile = PROFILES["smoke"]

    def command(self, out: Path) -> list[str]:
        """Give the command that runs it in a folder."""
        own = [sys.executable, "-m", "longsong", "reproduce", "--device", "cpu"]
        words = [*self.profile.words, "--side-by-side", "2"]
        return [*without_override(), *own, *words, "--shards", str(self.shards), "--out", str(out)]

    @contextmanager
    def begun(self, out: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Begin it, and have it end with the block."""
        with log.open("ab") as errors:
            process = subprocess.Popen(
                self.command(out), stdout=errors, stderr=errors, env=child_environment(), start_new_session=True
            )
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                process.wait()

    def completed(self, out: Path, log: Path) -> int:
        """Run it to its end in peace; gives its exit status."""
        with self.begun(out, log) as process:
            return process.wait(timeout=_SECONDS_TO_END)


def undisturbed(grid: Grid, out: Path, log: Path) -> dict[str, Any]:
    """Run the grid in peace, and give what is to be the same in all others.

    Raises
    ------
    BenchmarkError
        It does not end well even so.
    """
    if grid.completed(out, log):
        raise BenchmarkError(f"the grid fails undisturbed; see {log}")
    return outcome(out)


def outcome(out: Path) -> dict[str, Any]:
    """Give the digests of parameters and sounds of all runs, their states, and the verdicts of the audit."""
    runs = json.loads((out / GRID).read_text())["runs"]
    found: dict[str, Any] = {}
    for run in runs:
        if run["state"] != "done":
            found[run["name"]] = run["state"]
            continue
        folder = out / run["name"]
        files = [folder / name for name in _PARAMETERS] + sorted(folder.glob(_LAST))
        found[run["name"]] = {
            str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"
            for path in files
        }
    audit = json.loads((out / "audit.json").read_text())
    found["audit"] = {row["id"]: row["verdict"] for row in audit["rows"]}
    return found


def possible_faults(disk: Path | None) -> list[str]:
    """Name the faults that can be done here."""
    names = [name for name in FAULTS if name != "disk full" or disk is not None]
    if not without_override() and os.geteuid() == 0:
        names.remove("folder closed")  # root may write wherever it likes
    return names


def disturbed(
    grid: Grid, out: Path, disk: Path | None, log: Path, due: Mapping[str, Any], chance: random.Random, names: list[str]
) -> Round:
    """Run the grid with faults, then in peace, and compare.

    Parameters
    ----------
    grid : Grid
    out : Path
        For its runs.
    disk : Path or None
        The small disk that this is on.
    log : Path
        For what it says, and what was done to it.
    due : mapping
        What `undisturbed` gave.
    chance : Random
        When, and to what.
    names : list of str
        The faults, in order.
    """
    told, began, left = Round(), time.monotonic(), list(names)
    with log.open("a") as lines:
        while left:
            told.starts += 1
            faults_left = len(left)
            with grid.begun(out, log) as process:
                victim = Victim(process, out, disk, chance)
                while left and process.poll() is None:
                    time.sleep(chance.uniform(*grid.profile.pauses))
                    done_to = FAULTS[left[0]](victim) if process.poll() is None else None
                    if done_to is not None:
                        told.faults[left[0]] += 1
                        print(f"--- {left.pop(0)}: {done_to}", file=lines, flush=True)
                if left and len(left) == faults_left and process.returncode == 0:
                    # All is done, and there is nothing that this can be done to any more.
                    print(f"--- {left.pop(0)}: not done", file=lines, flush=True)
                if not left:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=_SECONDS_TO_END)
    told.starts += 1
    status = grid.completed(out, log)
    if status:
        told.lost.append(f"the last start ended with exit status {status}")
    told.lost += _differences(due, outcome(out) if (out / GRID).exists() else {})
    told.lost += _damages(out)
    told.seconds = time.monotonic() - began
    return told


def _differences(due: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Name what is not as it is due: a run by its state or by its files, a claim by its verdict."""
    lost = []
    for name, wanted in due.items():
        there = found.get(name)
        if not isinstance(wanted, dict) or not isinstance(there, dict):
            lost += [] if there == wanted else [f"{name}: {there!r}, and {wanted!r} is due"]
            continue
        lost += [
            f"{name}: {key} is {there.get(key)!r}, and {wanted.get(key)!r} is due"
            for key in sorted({*wanted, *there})
            if there.get(key) != wanted.get(key) and (name != "audit" or there.get(key) != _ONLY_OF_RESUMED.get(key))
        ]
    return lost


def _damages(out: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "longsong", "verify", str(out)],
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def main(argv: Sequence[str] | None = None) -> int:
    """Run rounds until the time is over; gives 1 where anything was lost."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--hours", type=float, metavar="H", help="go on for so long")
    parser.add_argument("--profile", choices=PROFILES, default="smoke", help="what is run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--faults", type=int, default=12, metavar="N", help="in each round (default: %(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="default: a new one, which is printed")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep logs and folders there")
    a = parser.parse_args(argv)
    seed = secrets.randbelow(1 << 31) if a.seed is None else a.seed
    print(f"seed {seed}", flush=True)
    rounds, faults = (1, 4) if a.quick else (a.rounds, a.faults)
    ends = None if a.hours is None else time.monotonic() + 3600 * a.hours
    with contextlib.ExitStack() as stack:
        work = a.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="longsong-crash-")))
        work.mkdir(parents=True, exist_ok=True)
        grid = Grid(work / "shards", PROFILES[a.profile])
        due = undisturbed(grid, work / "undisturbed", work / "undisturbed.log")
        rows, all_faults = [], Counter[str]()
        while (len(rows) < rounds) if ends is None else (time.monotonic() < ends):
            number = len(rows) + 1
            with small_disk(work / f"disk-{number}", grid.profile.disk) as disk:
                out = work / f"disk-{number}" / "runs"
                chance = random.Random(f"{seed} {number}")
                names = chance.choices(possible_faults(disk), k=faults)
                told = disturbed(grid, out, disk, work / f"round-{number}.log", due, chance, names)
            all_faults += told.faults
            row = {"round": number, "starts": told.starts, "faults": sum(told.faults.values())}
            rows.append(row | {"seconds": told.seconds, "lost": len(told.lost), "what": told.lost})
            print(render_table(rows[-1:], COLUMNS).splitlines()[-1], *told.lost, sep="\n  ", flush=True)
    print(render_table(rows, COLUMNS))
    for name, count in sorted(all_faults.items()):
        print(f"{count:5d}  {name}")
    lost = sum(row["lost"] for row in rows)
    starts = sum(row["starts"] for row in rows)
    ratios = {"lost": float(lost), "faults_per_start": sum(all_faults.values()) / max(1, starts)}
    report(a.json, machine() | {"seed": seed, "faults": dict(all_faults)}, rows, ratios)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
