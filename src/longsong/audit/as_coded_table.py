"""The experiment of the 2016 code's ways as a table for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from longsong.audit.as_coded import AsCoded, Effect, TrainedWay

__all__ = ["configuration_of", "format_as_coded", "plain_sentence", "sentences_of", "tables_of"]

_NONE = "-"


def format_as_coded(found: AsCoded, width: int = 100) -> str:
    """Give costs, times and sounds as tables, and what follows in plain sentences.

    Parameters
    ----------
    found : AsCoded
    width : int
        Columns of the terminal, for sentences.
    """
    lines = [configuration_of(found), ""]
    for caption, rows in tables_of(found):
        lines += [caption, *_aligned(rows), ""]
    for sentence in sentences_of(found):
        lines += textwrap.wrap(sentence, width, subsequent_indent="  ")
    return "\n".join(lines)


def configuration_of(found: AsCoded) -> str:
    """Say in a line what was trained."""
    c = found.configuration
    return (
        f"{found.song['name']}: {c['frame']}x{c['seq']}, {c['layers']} layers of {c['hidden']} ({c['cell']}), "
        f"{c['epochs']} epochs, {c['seeds']} random seeds, {found.machine['device_name']}"
    )


def tables_of(found: AsCoded) -> list[tuple[str, list[list[str]]]]:
    """Give costs, times and sounds as tables: a caption, and rows, of which the first is the head."""
    return [
        (
            "Dev cost over the cost of predicting the mean (lower is better; mean and spread; difference from as "
            "described with its 95 % interval)",
            [_cost_head(), *(_cost_row(found, way.name) for way in found.training)],
        ),
        (
            "Time: updates made, and seconds of one (median of a run; mean and spread over seeds)",
            [["way", "updates", "s/update", "difference"], *(_time_row(found, way) for way in found.training)],
        ),
        (
            "Sound, by the post's way (means over seeds)",
            [_sound_head([]), *(_trained_sound(found, way) for way in found.training)],
        ),
        (
            "Sound of the described run of seed 1, by the ways of generating",
            [_sound_head(["iterations"]), *_generated_sounds(found)],
        ),
    ]


def sentences_of(found: AsCoded) -> list[str]:
    """Give what follows from the numbers, in plain sentences."""
    same = "the very same bytes of parameters" if found.forget_bias_changes_nothing else "OTHER parameters"
    shift = found.song["scale"] * found.song["mean"]
    return [
        *(plain_sentence(found, way.name) for way in found.training),
        f"D06: with the forget bias of 2016 and without it every seed gives {same}.",
        f"D12: this song's mean is {found.song['mean']:.3f} steps of int16, and so the shift is {shift:.2e} of a range "
        "of 2.",
        "D07: with overlapping examples (overlap, all) audio of the whole song is trained on: what they cost on the "
        "dev split as described is no cost of unheard audio either.",
    ]


def plain_sentence(found: AsCoded, name: str) -> str:
    """Say in a sentence what a way of training does to the dev cost, as described.

    Parameters
    ----------
    found : AsCoded
    name : str
        Of the way.
    """
    way, effect = found.trained(name), found.effects[name]["described_over_mean"]
    ids = f" ({', '.join(way.ids)})" if way is not None and way.ids else ""
    if effect is None or effect.difference is None:
        mean = "no number" if effect is None else f"{effect.mean:.4f} of the cost of predicting the mean"
        return f"{name}{ids}: {mean}."
    d = effect.difference
    if d.mean == d.spread == 0:
        return f"{name}{ids}: changes nothing, seed by seed."
    goes = "worse" if d.mean > 0 else "better"
    if not d.excludes_zero:
        goes = "no difference that these seeds show"
    return f"{name}{ids}: {goes}; {_difference(effect)} of the cost of predicting the mean."


def _cost_head() -> list[str]:
    return ["way", "audit", "own dev split", "difference", "dev split as described", "difference"]


def _cost_row(found: AsCoded, name: str) -> list[str]:
    way = found.trained(name)
    own, described = (found.effects[name][key] for key in ("over_mean", "described_over_mean"))
    ids = " ".join(way.ids) if way is not None and len(way.ids) == 1 else ""
    return [name, ids, _mean(own), _difference(own), _mean(described), _difference(described)]


def _time_row(found: AsCoded, way: TrainedWay) -> list[str]:
    effect = found.effects[way.name]["seconds_per_update"]
    updates = sorted({run.updates for run in way.runs})
    return [way.name, ", ".join(f"{count:,}" for count in updates), _mean(effect), _difference(effect)]


def _sound_head(more: list[str]) -> list[str]:
    return ["way", *more, "level dBFS", "clipped", "quiet", "border steps", "spectrum dB", "log-mel dB", "collapses"]


def _trained_sound(found: AsCoded, way: TrainedWay) -> list[str]:
    effects = found.effects[way.name]
    collapsed = sum(run.sound.collapse_second is not None for run in way.runs)
    numbers = {key: None if effect is None else effect.mean for key, effect in effects.items()}
    return [way.name, *_sound_numbers(numbers), f"{collapsed} of {len(way.runs)}"]


def _generated_sounds(found: AsCoded) -> list[list[str]]:
    rows = []
    for way in found.generating:
        second = way.sound.collapse_second
        row = [way.name, f"{way.iterations:,}", *_sound_numbers(vars(way.sound))]
        rows.append([*row, "no" if second is None else f"at {second:.1f} s"])
    return rows


def _sound_numbers(numbers: dict[str, float | None]) -> list[str]:
    shown = {
        "rms_dbfs": ".1f",
        "clipped_share": ".1%",
        "quiet_share": ".1%",
        "border_step_ratio": ".2f",
        "spectral_distance": ".1f",
        "frechet_log_mel": ".1f",
    }
    return [_NONE if (value := numbers[key]) is None else format(value, form) for key, form in shown.items()]


def _mean(effect: Effect | None) -> str:
    return _NONE if effect is None else f"{effect.mean:.4f} ± {effect.spread:.4f}"


def _difference(effect: Effect | None) -> str:
    if effect is None or effect.difference is None:
        return ""
    d = effect.difference
    return f"{d.mean:+.4f} ({d.low:+.4f} to {d.high:+.4f})"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Give rows with columns of one width each, the first to the left."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([f"{row[0]:<{first}}", *(f"{cell:>{w}}" for cell, w in zip(row[1:], others, strict=True))]).rstrip()
        for row in rows
    ]
