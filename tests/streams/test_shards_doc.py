"""The reader in docs/shards.md works, and needs nothing of ours."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()


@pytest.fixture
def reader() -> dict[str, Any]:
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[-1]
    assert "streams" not in re.findall(r"^(?:import|from) (\w+)", code, flags=re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/shards.md", "exec"), names)
    return names


@pytest.mark.parametrize(("start", "stop"), [(0, 1000), (0, 0), (149, 151), (160, 170), (50, 100), (999, 1000)])
def test_it_reads_any_run(reader, shards, samples, start, stop) -> None:
    assert np.array_equal(reader["read_samples"](shards, start, stop), samples[start:stop])


def test_it_refuses_what_is_altered(reader, shards) -> None:
    for name in "song-000001.tar", "index.json":
        data = bytearray((shards / name).read_bytes())
        data[data.index(b"NUMPY") + 200 if name.endswith("tar") else -200] ^= 1
        (shards / name).write_bytes(data)
        with pytest.raises(ValueError, match="altered"):
            reader["read_samples"](shards, 0, 1000)
