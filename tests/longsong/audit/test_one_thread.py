"""numpy computes in one thread inside, and as before outside."""

from __future__ import annotations

import pytest

from longsong.audit import one_thread as module
from longsong.audit.one_thread import one_thread, threads


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = threads()
    if before is None:
        pytest.skip("numpy here is built on another library than OpenBLAS")
    seen = []

    def fail_inside() -> None:
        with one_thread():
            seen.append(threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert seen == [1]
    assert threads() == before


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_functions", lambda: None)
    with one_thread():
        assert threads() is None
