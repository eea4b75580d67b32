"""The reader in docs/shards.md works, and needs nothing of ours."""

import io
import re
import tarfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.foreign import index_folder

PAGE = (Path(__file__).parents[2] / "docs" / "shards.md").read_text()


@pytest.fixture
def reader() -> dict[str, Any]:
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[-1]
    assert set(re.findall(r"^(?:import|from) (\w+)", code, flags=re.MULTILINE)) == {
        "hashlib",
        "zlib",
        "json",
        "pathlib",
        "numpy",
    }
    assert len(code.splitlines()) <= 30
    names: dict[str, Any] = {}
    exec(compile(code, "docs/shards.md", "exec"), names)
    return names


@pytest.fixture
def wavs(tmp_path, samples) -> Path:
    """Give a folder of a tar of .wav members of many lengths, indexed."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    with tarfile.open(folder / "a.tar", "w") as tar:
        for start, stop in [(0, 7), (7, 500), (500, 501), (501, 1000)]:
            file = io.BytesIO()
            with wave.open(file, "wb") as out:
                out.setparams((1, 2, 16_000, 0, "NONE", ""))
                out.writeframes(samples[start:stop].tobytes())
            entry = tarfile.TarInfo(f"{start}.wav")
            entry.size = file.tell()
            file.seek(0)
            tar.addfile(entry, file)
    index_folder(folder, made_by={})
    return folder


@pytest.mark.parametrize("start_stop", [(0, 1000), (0, 0), (5, 5), (149, 151), (160, 170), (50, 100), (999, 1000)])
@pytest.mark.parametrize("folder", ["shards", "wavs"])
def test_it_reads_any_run(reader, samples, folder, start_stop, request) -> None:
    found = reader["read_samples"](request.getfixturevalue(folder), *start_stop)

    assert found.dtype == np.int16
    assert np.array_equal(found, samples[slice(*start_stop)])


def test_it_refuses_what_it_does_not_read(reader, samples, write_shards, tmp_path) -> None:
    flac = write_shards(tmp_path / "flac", samples, encoding="flac")
    for folder in flac, Path(__file__).parent / "data" / "version-1":
        with pytest.raises(ValueError, match="not an index that this reader knows"):
            reader["read_samples"](folder, 0, 10)


def test_it_refuses_what_is_altered(reader, shards) -> None:
    for name in "song-000001.tar", "index.json":
        data = bytearray((shards / name).read_bytes())
        data[data.index(b"NUMPY") + 200 if name.endswith("tar") else -200] ^= 1
        (shards / name).write_bytes(data)
        with pytest.raises(ValueError, match="altered"):
            reader["read_samples"](shards, 0, 1000)
