"""Nothing that is read can run code, and nothing that a file names lies outside of its folder: held in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TREES = ("src", "streams", "benchmarks", "scripts")

# What loads objects by running what a file says, or code that a file names.
MODULES = {
    "_pickle", "cPickle", "cloudpickle", "code", "codeop", "dill", "imp", "joblib", "jsonpickle", "marshal", "pickle",
    "pickletools", "plistlib", "runpy", "shelve", "xml", "xmlrpc", "yaml",
}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "__import__", "breakpoint", "input",
    "os.system", "os.popen", "os.startfile", "os.execv", "os.execvp", "os.spawnv", "os.spawnl", "pty.spawn",
    "subprocess.getoutput", "subprocess.getstatusoutput",
    "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "torch.export.load",
    "pandas.read_pickle", "numpy.lib.format.read_array", "np.lib.format.read_array",
    "webdataset.WebDataset", "wds.WebDataset",  # whose decoders unpickle
    "importlib.util.spec_from_file_location", "importlib.machinery.SourceFileLoader",
    "tempfile.mktemp",
}  # fmt: skip
METHODS = {
    "extractall",  # of tars and zips: names in them may lead anywhere
    "extract",
    "unpack_archive",
    "read_pickle",
    "to_pickle",
    "loads_pickle",
}
# Libraries that are part of Python's own process already, by a path that its map of memory or numpy has.
NATIVE = {"src/longsong/audit/one_thread.py", "src/longsong/model/fused/openmp.py"}
# A module of a name from a table in the same file.
NAMED_MODULES = {
    "src/longsong/__init__.py", "benchmarks/worker.py", "benchmarks/stream_peers/task.py",
    "benchmarks/stream_peers/fuel_hdf5.py",
}  # fmt: skip


# The peer itself, on shards that its benchmark has written.
PEERS = {"benchmarks/stream_peers/webdataset_members.py": "webdataset.WebDataset"}


def dotted(node: ast.expr) -> str:
    """Give a name such as ``np.load``; nothing where it is not made of names alone."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := dotted(node.value)):
        return f"{inner}.{node.attr}"
    return ""


def given(call: ast.Call, name: str) -> object:
    """Give the constant that a keyword has in a call; None where it is not given, or no constant."""
    value = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else None


def faults_of(call: ast.Call, file: str) -> Iterator[str]:
    name = dotted(call.func)
    last = call.func.attr if isinstance(call.func, ast.Attribute) else name
    if name in CALLS or last in METHODS:
        yield name or last
    if name in ("np.load", "numpy.load") and given(call, "allow_pickle") is not False:
        yield f"{name} without allow_pickle=False"
    if name in ("np.save", "numpy.save", "np.lib.format.write_array") and given(call, "allow_pickle") is not False:
        yield f"{name} without allow_pickle=False"
    if name == "torch.load" and given(call, "weights_only") is not True:
        yield f"{name} without weights_only=True"
    if given(call, "shell"):
        yield f"{name} with a shell"
    if any(keyword.arg == "shell" and not isinstance(keyword.value, ast.Constant) for keyword in call.keywords):
        yield f"{name} with, perhaps, a shell"
    if last in ("jit", "njit", "guvectorize", "vectorize") and given(call, "cache"):
        yield f"{name} with a cache, which is a pickle"
    if last == "Environment" and given(call, "autoescape") is not True:
        yield f"{name} without autoescape=True"
    if (
        last == "import_module"
        and not (call.args and isinstance(call.args[0], ast.Constant))
        and file not in NAMED_MODULES
    ):
        yield f"{name} of a name that is not written there"
    if last in ("CDLL", "PyDLL", "LoadLibrary", "load_library") and file not in NATIVE:
        yield f"{name}, native code"
    if (
        last == "_create_unverified_context"
        or given(call, "verify") is False
        or given(call, "cert_reqs") == "CERT_NONE"
    ):
        yield f"{name} without a look at certificates"


def faults(root: Path) -> list[str]:
    """Name each place of the source that could run what it reads."""
    found = []
    for path in sorted(path for tree in TREES for path in (root / tree).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                names += [f"{node.module}.{alias.name}" for alias in node.names]
            wrong = [name for name in names if name.split(".")[0] in MODULES or name in CALLS]
            wrong = [name for name in wrong if PEERS.get(file) != name]
            if isinstance(node, ast.Call):
                wrong += faults_of(node, file)
            found += [f"{file}:{getattr(node, 'lineno', 0)}: {one}" for one in wrong]
    return found


def test_nothing_that_is_read_can_run_code():
    assert faults(Path()) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "from os import system",
        "def f(x): return eval(x)",
        "def f(x): exec(x)",
        "import numpy as np\nnp.load('a.npy')",
        "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
        "import torch\ntorch.load('a.pt')",
        "import torch\ntorch.load('a.pt', weights_only=False)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nwith_shell = bool(1)\nsubprocess.run('ls', shell=with_shell)",
        "import tarfile\ntarfile.open('a.tar').extractall('.')",
        "import numba\nf = numba.njit(cache=True)",
        "from jinja2 import Environment\nEnvironment()",
        "from importlib import import_module\ndef f(x): return import_module(x)",
        "import ctypes\nctypes.CDLL('./a.so')",
    ],
)
def test_it_would_be_noticed(tmp_path, line):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text(line)
    assert faults(tmp_path)


def test_what_is_safe_is_left_alone(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text(
        "import ast, json, subprocess\nimport numpy as np\nimport torch\n"
        "np.load('a', allow_pickle=False); torch.load('a', weights_only=True); ast.literal_eval('1')\n"
        "subprocess.run(['ls']); json.loads('1')\n"
    )
    assert faults(tmp_path) == []


def test_templates_take_nothing_as_it_is_but_drawings():
    """``drawing`` is for what `longsong.report.drawing` drew, whose text matplotlib escapes."""
    as_they_are = []
    for path in sorted(Path("src/longsong/report").glob("*.j2")):
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", ""), path
        assert "autoescape false" not in text, path
        as_they_are += re.findall(r"drawing\([^)]*\)", text)
    assert as_they_are == ["drawing(plot.svg)"]
    for path in sorted(Path("src/longsong/report").glob("*.js")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "innerHTML" not in line or "'<svg" in line, (path, line)  # of constants alone
            assert not re.search(r"insertAdjacentHTML|outerHTML|document\.write|new Function|\beval\b", line), line
