"""Both ways in which the fused form does what is no matrix product."""

from __future__ import annotations

import pytest

from longsong.model.fused import compiled_available


@pytest.fixture(scope="session", params=["plain", "compiled"])
def elementwise(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled" and compiled_available() is not None:
        pytest.skip(f"no compiled loops: {compiled_available()}")
    return request.param
