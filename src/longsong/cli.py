"""The command line. Each command is a thin layer over a function that Python users call too."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from longsong import (
    cli_as_coded,
    cli_audit,
    cli_board,
    cli_clean,
    cli_generate,
    cli_listen,
    cli_plan,
    cli_report,
    cli_reproduce,
    cli_train,
    cli_verify,
)
from longsong.arguments import add_place, command_words, local, without_secrets
from longsong.config import ENCODINGS
from longsong.errors import LongsongError
from longsong.version import __version__

__all__ = ["main"]

_BAD_INPUT, _FAILED, _INTERRUPTED = 2, 1, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit status: 0 done, 1 something failed, 2 bad input, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            return _refuse(f"{word!r} is not UTF-8, and stands in files that are; rename it")
    arguments = _parser().parse_args(words)
    arguments.words = ["longsong", *words]
    # OpenMP's threads wait for each other by spinning. By default for so long that on a machine whose cores have
    # other work too an update takes ten times as long and more (docs/LOG.md); read when torch is first imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    # Imported here, so that --help needs nothing but the standard library.
    from streams.errors import StreamsError

    try:
        with _ended_as_interrupted():
            return int(arguments.run(arguments) or 0)
    except (LongsongError, StreamsError) as error:
        return _refuse(str(error))
    except KeyboardInterrupt as stop:
        print(f"\nlongsong: {str(stop) or 'stopped; the same command does what is left'}", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on: say nothing more
        return _FAILED
    except OSError as error:
        return _refuse(f"{error.filename or 'a file'}: {error.strerror or error}; check the disk and the permissions")


@contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Have SIGTERM do what Ctrl-C does: what there is is kept, and nothing left half-written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _refuse(message: str) -> int:
    """Say in one line what was wrong, whatever names are in it; gives the status of bad input."""
    print(f"longsong: {' '.join(message.split())}", file=sys.stderr)
    return _BAD_INPUT


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit with the status of bad input."""
        if "://" in message:
            message = without_secrets(message)
        self.exit(_BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="longsong",
        description="Teach a recurrent network one long song, frame by frame, and make 30 seconds of new sound.",
    )
    parser.add_argument("--version", action="version", version=f"longsong {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int | None], help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.set_defaults(run=run)
        return sub

    main_job = command("reproduce", cli_reproduce.reproduce, "do the main job: shard, train, generate, audit, report")
    cli_reproduce.add_reproduce(main_job)
    cli_plan.add_plan(command("plan", cli_plan.plan, "say what it costs on a song of any length: time, memory, disk"))
    cli_reproduce.add_status(command("status", cli_reproduce.status, "show what runs, is done and is left in a grid"))
    _add_shard(command("shard", _shard, "make shards of a song"))
    _add_demo_song(command("demo-song", _demo_song, "make the embedded song, of any length"))
    _add_info(command("info", _info, "say what is in a folder of shards, and how windows of a shape lie in it"))
    verify = command("verify", cli_verify.verify, "compare every byte of runs, or of shards, with what vouches for it")
    cli_verify.add_verify(verify)
    cli_clean.add_clean(command("clean", cli_clean.clean, "free what runs do not need any more"))
    _add_index(command("index", _index, "make an index for tars of audio that something else wrote"))
    cli_train.add_train(command("train", cli_train.train, "train one configuration, or go on with it"))
    cli_generate.add_generate(command("generate", cli_generate.generate, "make sound from a trained run"))
    cli_listen.add_listen(command("listen", cli_listen.listen, "make a page to hear all ways of generating"))
    cli_train.add_parity(command("parity", cli_train.parity, "compare with numbers of the original stack"))
    audit = command("audit", cli_audit.audit, "check every claim of the post against the runs, and write the page")
    cli_audit.add_audit(audit)
    report = command(
        "report", cli_report.report, "write the page of a folder of runs: what was found, to see and to hear"
    )
    cli_report.add_report(report)
    cli_board.add_board(command("board", cli_board.board, "show runs in TensorBoard, on this machine alone"))
    as_coded = command("as-coded", cli_as_coded.list_switches, "explain the ways of the 2016 code: its switches")
    cli_as_coded.add_as_coded(as_coded)
    return parser


def _add_shard(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("song", type=local, nargs="+", metavar="SONG", help="audio files; several, in order, are one song")
    add("--out", type=local, required=True, metavar="DIR", help="folder to make, such as shards/NAME")
    add("--seconds", type=float, metavar="N", help="take the first N seconds")
    add("--encoding", choices=ENCODINGS, default=ENCODINGS[0], help="flac: half the bytes (default: %(default)s)")


def _add_info(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_place(parser)
    add("--frame", type=int, metavar="N", help="samples in a frame: say how windows of this shape lie")
    add("--seq", type=int, metavar="N", help="frames in a sequence")
    add("--hop", type=int, metavar="N", help="samples from one example to the next (default: frame x seq)")
    add("--start", type=int, metavar="N", help="first sample (default: 0)")
    add("--stop", type=int, metavar="N", help="sample after the last (default: the song's end)")


def _add_index(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=local, metavar="FOLDER", help="folder of tars with npy, wav or flac members, in order")
    add("--sample-rate", type=int, metavar="HZ", help="where the members do not say it")


def _add_demo_song(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--seconds", type=float, required=True, metavar="N", help="length")
    add("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    add("out", type=local, metavar="OUT.wav", help="file to write")


def _shard(a: argparse.Namespace) -> None:
    from longsong.shard import shard_song

    print(shard_song(a.song, a.out, seconds=a.seconds, encoding=a.encoding))


def _demo_song(a: argparse.Namespace) -> None:
    from longsong.demo_song import write_demo_song

    write_demo_song(a.out, a.seconds, a.seed)
    print(a.out)


def _info(a: argparse.Namespace) -> None:
    from longsong.errors import ConfigError
    from longsong.info import describe
    from longsong.info_windows import describe_windows

    if all(value is None for value in (a.frame, a.seq, a.hop, a.start, a.stop)):
        print(describe(a.shards))
    elif a.frame is None or a.seq is None:
        raise ConfigError("windows have a frame and a sequence; give both --frame and --seq")
    else:
        print(describe_windows(a.shards, a.frame, a.seq, hop=a.hop, start=a.start or 0, stop=a.stop))


def _index(a: argparse.Namespace) -> None:
    from longsong.indexing import index_tars

    print(index_tars(a.folder, a.sample_rate, command=command_words(a)))
