"""What all states have in common: a format, a version, and the identity of what they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streams.checks import whole
from streams.errors import StateError

__all__ = ["check_state"]


def check_state(state: Mapping[str, Any], what: str, kind: str, version: int, identity: Mapping[str, Any]) -> None:
    """Refuse a state that is not of this very thing.

    Parameters
    ----------
    state : mapping
        What is to be loaded, whatever it is.
    what : str
        Whose state it has to be, for messages.
    kind : str
        What it has to say under ``format``.
    version : int
        The newest that is known.
    identity : mapping
        What it has to hold, beside whatever else; values that are mappings are compared key by key.

    Raises
    ------
    StateError
        No such state, of a newer version, or of another identity, which it names.
    """
    if not isinstance(state, Mapping) or state.get("format") != kind:
        raise StateError(f"not the state of a {what} (its format is not {kind!r}); give what state_dict() gave")
    found = whole("version of the state", state.get("version"), StateError, at_least=1)
    if found > version:
        raise StateError(f"version {found} of the state is newer than {version}; update the program")
    differences = [
        f"{name} {theirs!r} and not {ours!r}" for name, ours, theirs in _pairs(identity, state) if theirs != ours
    ]
    if differences:
        raise StateError(f"the state is of {', '.join(differences)}; use it with what it was saved from")


def _pairs(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Put each value of ours beside theirs, by name; None where one has none."""
    for name, value in ours.items():
        other = theirs.get(name)
        if not isinstance(value, Mapping):
            yield name, value, other
            continue
        inner = other if isinstance(other, Mapping) else {}
        for key in dict.fromkeys((*value, *inner)):
            yield f"{name}.{key}", value.get(key), inner.get(key)
