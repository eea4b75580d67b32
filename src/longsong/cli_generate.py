"""The command that generates."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from longsong.arguments import add_cache, local, place
from longsong.config import CacheConfig, Device, Join, Mode, Precision, Switch
from longsong.errors import ConfigError
from longsong.switches import explained

if TYPE_CHECKING:
    from longsong.generating import Generating, Seed
    from longsong.runs import Run

__all__ = ["add_generate", "generate"]

_STANDARD_OUTPUT = "-"

SWITCHES = get_args(Switch)


def add_generate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong generate`."""
    add = parser.add_argument
    add("run_folder", type=local, metavar="RUN", help="folder of a trained run")
    add("--seconds", type=float, default=30.0, metavar="N", help="default: %(default)s, as in the post")
    add("--mode", choices=get_args(Mode), default="post", help="feed back whole sequences, or one frame")
    add(
        "--join",
        choices=get_args(Join),
        default="last-frame",
        help="frames end to end, as in the post, or each blended with the sound so far, without ticks",
    )
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed-example",
        type=int,
        nargs="+",
        metavar="N",
        help="dev examples to begin with, a sound from each (default: 0)",
    )
    seeds.add_argument("--seed-spread", type=int, metavar="N", help="a sound from each of N spread over the dev split")
    seeds.add_argument("--seed-wav", type=local, metavar="FILE", help="begin with the end of this audio file instead")
    seeds.add_argument(
        "--condition", type=local, metavar="FILE", help="begin with all of this audio file, however long"
    )
    add("--clip", action="store_true", help="keep predictions in the range of the song (default: as they are)")
    add("--hold-level", action="store_true", help="keep the level of frames within 12 dB of the seed's")
    add(
        "--as-coded",
        nargs="+",
        choices=SWITCHES,
        default=[],
        metavar="WAY",
        help="generate as the 2016 scripts did: " + explained("generating"),
    )
    add("--count", type=int, metavar="N", help="a sound from each of N examples, from --seed-example on")
    add("--shards", type=place, metavar="SHARDS", help="the song's folder or URL (default: as it was trained on)")
    add_cache(parser)
    add("--parameters", choices=("best", "last"), default="best", help="default: %(default)s, by dev cost")
    add("--device", choices=get_args(Device), help="default: the one that it was trained on")
    add("--precision", choices=get_args(Precision), help="default: that which it was trained in")
    add(
        "--output",
        type=_output,
        metavar="FILE.wav",
        help="file to write, or - for standard output; of several sounds a folder (default: in RUN)",
    )
    add("--format", choices=("wav", "raw"), help="of standard output: wav (default), or its int16 samples alone")


def generate(a: argparse.Namespace) -> None:
    """Generate one sound or several."""
    from longsong.generated import generate_each, generate_into
    from longsong.generating import Generating
    from longsong.playing import stream_out
    from longsong.runs import load_run

    how = Generating(a.seconds, a.mode, a.join, a.clip, a.hold_level, tuple(dict.fromkeys(a.as_coded)))
    several = _several(a, how)
    cache = CacheConfig(a.cache, a.cache_bytes)
    run = load_run(
        a.run_folder, which=a.parameters, device=a.device, precision=a.precision, shards=a.shards, cache=cache
    )
    seeds = _seeds(a, run, how)
    if a.output == _STANDARD_OUTPUT:
        if sys.stdout is None:
            raise ConfigError("output is standard output, and that is closed; give a file")
        for note in stream_out(run, sys.stdout.buffer, seed=seeds[0], how=how, format=a.format or "wav"):
            print(f"note: {note}", file=sys.stderr)
        return
    if several:
        written = generate_each(run, a.output, seeds, how=how)
    else:
        written = [generate_into(run, a.output, seed=seeds[0], how=how)]
    for wav, generated in written:
        for note in generated.record["notes"]:
            print(f"note: {wav.name}: {note}", file=sys.stderr)
        print(wav)


def _several(a: argparse.Namespace, how: Generating) -> bool:
    """Refuse what does not go together; says whether several sounds are asked for."""
    if a.count is not None:
        _refuse_count(a)
    given = [name for name in ("count", "seed_example", "seed_spread", "seed_wav", "condition") if getattr(a, name)]
    if "train-seed" in how.as_coded and given:
        raise ConfigError(
            f"as-coded is train-seed, which begins with an example of its own; leave out --{given[0].replace('_', '-')}"
        )
    several = a.count is not None or a.seed_spread is not None or len(a.seed_example or []) > 1
    if a.output == _STANDARD_OUTPUT and several:
        raise ConfigError("output is standard output, and several sounds are asked for; ask for one, or give a folder")
    if a.format is not None and a.output != _STANDARD_OUTPUT:
        raise ConfigError(f"format is {a.format}, which is of standard output alone (--output -); files are wavs")
    for name in ("seed_wav", "condition"):
        begin = getattr(a, name)
        if begin is not None and a.output not in (None, _STANDARD_OUTPUT) and begin.resolve() == a.output.resolve():
            raise ConfigError(f"output is {a.output}, the file to begin with; give another --output")
    return several


def _seeds(a: argparse.Namespace, run: Run, how: Generating) -> list[Seed]:
    if a.seed_wav is not None:
        return [run.wav_seed(a.seed_wav)]
    if a.condition is not None:
        return [run.wav_seed(a.condition, whole=True, mode=how.mode)]
    if a.seed_spread is not None:
        return run.song_seeds(spread=a.seed_spread)
    first = (a.seed_example or [0])[0]
    if a.count is not None:
        return run.song_seeds(range(first, first + a.count))
    return run.song_seeds(a.seed_example) if a.seed_example else [run.seed_for(how)]


def _refuse_count(a: argparse.Namespace) -> None:
    if a.count < 1:
        raise ConfigError(f"count must be a whole number of 1 or more, not {a.count}")
    for name in ("seed_spread", "seed_wav", "condition"):
        if getattr(a, name) is not None:
            raise ConfigError(f"count is of examples from --seed-example on; leave out --{name.replace('_', '-')}")
    if len(a.seed_example or []) > 1:
        raise ConfigError(f"count is {a.count}, and {len(a.seed_example)} examples are given; give the first alone")


def _output(text: str) -> Path | str:
    return text if text == _STANDARD_OUTPUT else local(text)
