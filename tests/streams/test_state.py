from typing import Any

import pytest

from streams import StateError
from streams.state import check_state

IDENTITY = {"song": "0f", "scheme": {"name": "Sequential", "batch_size": 4}}
GOOD = {"format": "some.state", "version": 1, **IDENTITY, "position": 7}


def check(state: Any) -> None:
    check_state(state, "thing", "some.state", 2, IDENTITY)


@pytest.mark.parametrize("changes", [{}, {"version": 2}, {"scheme": dict(reversed(IDENTITY["scheme"].items()))}])
def test_a_state_of_this_very_thing_passes(changes: dict[str, Any]) -> None:
    check({**GOOD, **changes})


@pytest.mark.parametrize("state", [None, [], "some.state", 5, {}, {**GOOD, "format": "other.state"}])
def test_what_is_no_such_state_is_refused(state: Any) -> None:
    with pytest.raises(StateError, match=r"not the state of a thing \(its format is not 'some.state'\)"):
        check(state)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 3}, "version 3 of the state is newer than 2; update the program"),
        ({"version": 0}, "version of the state is 0"),
        ({"version": True}, "version of the state is True"),
        ({"song": "f0"}, "the state is of song 'f0' and not '0f'; use it with what it was saved from"),
        ({"song": None}, "song None and not '0f'"),
        ({"scheme": {"name": "Sequential", "batch_size": 5}}, r"the state is of scheme\.batch_size 5 and not 4;"),
        ({"scheme": {**IDENTITY["scheme"], "seed": 1}}, r"the state is of scheme\.seed 1 and not None;"),
        ({"scheme": []}, r"scheme\.name None and not 'Sequential', scheme\.batch_size None and not 4"),
    ],
)
def test_a_state_of_another_one_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(StateError, match=words):
        check({**GOOD, **changes})
