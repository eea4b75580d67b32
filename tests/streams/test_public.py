import subprocess
import sys
from pathlib import Path

import streams

ROOT = Path(__file__).parents[2]


def test_all_public_names_are_there_and_documented() -> None:
    assert streams.__all__ == sorted(set(streams.__all__), key=lambda name: (not name.isupper(), name))
    for name in streams.__all__:
        assert name.isupper() or getattr(streams, name).__doc__


def test_importing_streams_takes_neither_longsong_nor_heavy_packages() -> None:
    code = "import streams, streams.testing, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "streams" in loaded
    assert loaded.isdisjoint({"longsong", "torch", "webdataset", "soundfile", "soxr"})
