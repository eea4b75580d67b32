"""Dependencies point one way (DESIGN.md), and the core starts with torch and numpy alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

BASE = {
    "config", "errors", "fields", "files", "metrics", "places", "progress", "reported", "sound_record", "space",
    "switches", "units", "version",
}  # fmt: skip
SOUND = {"audio", "containers", "wav"}
# What each unit of the package may import, beside what lies in itself; "streams" is the data layer.
ALLOWED: dict[str, set[str]] = {
    **{name: BASE - {name} for name in BASE},
    **{name: BASE | (SOUND - {name}) for name in SOUND},
    "demo_instruments": BASE | SOUND | {"demo_score"},
    "demo_score": BASE | SOUND,
    "demo_song": BASE | SOUND | {"demo_instruments", "demo_score"},
    "shard": BASE | SOUND | {"streams"},
    "info": BASE | {"streams"},
    "info_windows": BASE | {"streams"},
    "verify": BASE | {"streams"},
    "indexing": BASE | {"streams"},
    "model": BASE,
    "generation": BASE | {"model"},
    "training": BASE | {"model", "streams"},
    "audit": BASE | SOUND | {"grid_file", "streams", "__init__"},  # where the code at hand lies
    "spectrogram": BASE | {"audit"},
    "report": BASE | SOUND | {"audit", "spectrogram"},
    # runs: for its types alone
    "generating": BASE | {"model", "generation", "runs"},
    "judging": BASE | {"audit", "generation", "training", "streams", "runs"},
    "heard": BASE | {"audit", "generation", "judging"},
    "generated": BASE | SOUND | {"generating", "generation", "heard", "judging", "spectrogram", "training", "runs"},
    "playing": BASE | SOUND | {"generating", "heard", "runs"},
    "runs": BASE | SOUND | {"model", "generating", "generated", "training", "streams"},
    "listening_ways": BASE | {"generating", "generation"},
    "listening": BASE
    | SOUND
    | {"generated", "generating", "judging", "listening_ways", "report", "runs", "switches", "training"},
    "experiments": BASE
    | {"audit", "estimate", "generated", "generating", "model", "generation", "training", "streams", "runs"},
    "estimate": BASE | {"model", "generation", "training"},
    "board": BASE,
    "folder_lock": BASE | {"streams"},
    "integrity": BASE | {"audit", "grid_file", "training"},
    "cleaning": BASE | {"folder_lock", "integrity", "training"},
    "grid": BASE | {"estimate", "streams"},
    "cost_model": BASE | {"generating", "model", "training", "streams"},
    "cost_steps": BASE | {"estimate", "model", "training"},
    "cost_time": BASE | {"cost_model", "estimate", "generating", "scheduling", "training", "streams"},
    "cost_plan": BASE | {"cost_model", "cost_steps", "cost_time", "training"},
    "cost_table": BASE | {"cost_plan", "cost_time"},
    "grid_file": BASE,
    "grid_status": BASE | {"folder_lock", "grid_file"},
    "grid_table": BASE,
    "grid_done": BASE | {"generated", "integrity", "training", "streams"},
    "grid_plan": BASE
    | {"cost_model", "estimate", "generating", "grid", "grid_done", "grid_file", "scheduling", "streams", "training"},
    "grid_runs": BASE | {"grid", "grid_file", "grid_plan", "grid_table", "scheduling", "training"},
    "scheduling": BASE
    | {"estimate", "generated", "grid_file", "integrity", "judging", "runs", "training", "streams", "__init__"},
    "reproduce": BASE
    | {"audit", "demo_song", "experiments", "folder_lock", "grid", "grid_plan", "grid_runs", "grid_table"}
    | {"integrity", "report"}
    | {"scheduling", "shard", "training"},
    "streams": set(),
}
ALLOWED["arguments"] = BASE | {"streams"}
COMMANDS = (
    "as_coded", "audit", "board", "clean", "curves", "generate", "listen", "plan", "report", "reproduce", "train",
    "verify",
)  # fmt: skip
ALLOWED |= {f"cli_{name}": set(ALLOWED) | {f"cli_{other}" for other in COMMANDS} for name in COMMANDS}
ALLOWED["cli"] = set(ALLOWED) | {"__init__"}
ALLOWED["__main__"] = {"cli"}
ALLOWED["__init__"] = {"config", "errors", "version", "runs", "training"}


def imported(tree: ast.AST) -> set[str]:
    """Give the dotted names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def faults(root: Path) -> list[str]:
    """Name each import that points the wrong way in a tree with src/longsong and streams."""
    found = []
    for path in sorted([*(root / "src/longsong").rglob("*.py"), *(root / "streams").rglob("*.py")]):
        relative = path.relative_to(root).parts
        unit = "streams" if relative[0] == "streams" else relative[2].removesuffix(".py")
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            parts = name.split(".")
            if unit == "streams" and parts[0] in ("longsong", "torch"):
                found.append(f"{path}: {name}")
            if parts[0] not in ("longsong", "streams"):
                continue
            other = "streams" if parts[0] == "streams" else (*parts, "__init__")[1]
            is_unit = other == "streams" or (root / "src/longsong" / other).is_dir()
            is_unit = is_unit or (root / f"src/longsong/{other}.py").exists()
            other = other if is_unit else "__init__"  # a name that the package itself gives
            if other != unit and other not in ALLOWED[unit]:
                found.append(f"{path}: {name}")
    return found


def test_dependencies_point_one_way():
    assert faults(Path()) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("streams/song.py", "import torch"),
        ("streams/song.py", "from longsong.errors import LongsongError"),
        ("src/longsong/model/network.py", "import streams"),
        ("src/longsong/generation/post.py", "from streams import Song"),
        ("src/longsong/training/loop.py", "def f():\n    from longsong.generation import render"),
        ("src/longsong/audit/ledger.py", "from longsong.training import train"),
        ("src/longsong/audit/sound.py", "def f():\n    from longsong.generation import render"),
        ("src/longsong/config.py", "import longsong.runs"),
    ],
)
def test_a_wrong_import_is_noticed(tmp_path, file, line):
    for folder in ("src/longsong/training", "src/longsong/generation", "src/longsong/model", "streams"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "src/longsong/runs.py").touch()
    (tmp_path / "src/longsong/errors.py").touch()
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("import json\n")
    assert faults(tmp_path) == []
    path.write_text(line + "\n")
    assert len(faults(tmp_path)) >= 1


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    path = [str(Path("src").resolve()), str(Path().resolve())]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_core_needs_torch_and_numpy_alone():
    late = {"webdataset", "soundfile", "soxr", "rich", "jinja2", "matplotlib", "tensorboard", "psutil", "safetensors"}
    late |= {"numba", "urllib3", "fsspec", "scipy"}
    assert (
        not loaded_by("import longsong.training, longsong.runs, longsong.reproduce, longsong.experiments.parity") & late
    )


def test_help_needs_neither():
    assert not loaded_by("import longsong.cli") & {"torch", "numpy"}


def test_the_data_layer_needs_numpy_alone():
    late = {"torch", "longsong", "numba", "webdataset", "soundfile", "urllib3", "fsspec", "s3fs", "aiohttp", "boto3"}
    late |= {"scipy"}
    assert not loaded_by("import streams, streams.testing, streams.foreign") & late
