"""Progress: plain lines in a log, a bar on a terminal, and nothing where nothing is wanted."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile

import pytest

from longsong import progress
from longsong.progress import Progress, listened_to, print_line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_log_gets_a_line_now_and_then_with_the_time_left(clock, capsys):
    with Progress("training", 100, "updates") as shown:
        for second in range(1, 26):
            clock.now += 1
            shown.advance(2, f"cost {second}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training: 20 of 100 updates (20 %), 40 s left, cost 10",
        "training: 40 of 100 updates (40 %), 30 s left, cost 20",
    ]


def test_what_an_earlier_start_did_does_not_count_as_speed(clock, capsys):
    with Progress("training", 100, "updates") as shown:
        shown.begin_at(80)
        clock.now += 10
        shown.advance(10)
    assert capsys.readouterr().err == "training: 90 of 100 updates (90 %), 10 s left\n"


def test_without_a_total_there_is_no_time_left(clock, capsys):
    with Progress("reading", None, "samples") as shown:
        clock.now += 11
        shown.update(5e6)
    assert capsys.readouterr().err == "reading: 5.0 M samples\n"


def test_quiet_is_quiet(clock, capsys):
    with Progress("training", 10, "updates", quiet=True) as shown:
        clock.now += 100
        shown.advance(5)
        shown.say("hello")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar():
    code = (
        "import sys, time; sys.path[:0] = ['src', '.']\n"
        "from longsong.progress import Progress\n"
        "with Progress('training', 4, 'updates') as shown:\n"
        "    for n in range(4):\n"
        "        shown.advance(1, f'cost {n}')\n"
        "        time.sleep(0.15)\n"
        "    shown.say('a line')\n"
    )
    parent, child = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=child, timeout=60, env=os.environ | {"TERM": "xterm"})
    os.close(child)
    text = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(parent)
    assert done.returncode == 0
    for words in (b"training", b"4 of 4 updates", b"cost 3", b"a line"):
        assert words in text


def test_who_listens_hears_all_that_begins_meanwhile_be_it_quiet_or_not():
    heard = []
    before = Progress("before", 5, "updates", quiet=True)
    with listened_to(lambda shown: heard.append((shown.label, shown.done, shown.resumed_at, shown.cost))):
        with Progress("training", 10, "updates", quiet=True) as shown:
            shown.begin_at(4)
            shown.update(5, cost=0.25)
            shown.advance(1)
        before.update(3)
    Progress("after", 5, "updates", quiet=True).update(1)
    assert heard == [
        ("training", 0, 0, None),
        ("training", 4, 4, None),
        ("training", 5, 4, 0.25),
        ("training", 6, 4, 0.25),
    ]


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def flush(self):
            raise OSError(28, "No space left on device")

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stderr", Full())
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    print_line("a line")
    with Progress("training", 2, "updates") as shown:
        shown.advance(1)
        shown.say("a line")


@pytest.mark.parametrize("error", [False, True])
def test_a_reader_that_has_gone_ends_nothing(error):
    code = (
        "import sys, time; from longsong.progress import print_line\n"
        f"for n in range(2000): print_line('x' * 200, error={error})\n"
        "open(sys.argv[1], 'w').write('done')"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with tempfile.NamedTemporaryFile() as told:
        streams = {"stderr" if error else "stdout": writer}
        done = subprocess.run([sys.executable, "-c", code, told.name], **streams, check=False, timeout=60)
        os.close(writer)
        assert (done.returncode, told.read()) == (0, b"done")
