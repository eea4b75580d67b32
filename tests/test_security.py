"""Nothing that is read can run code, and nothing that a file names lies outside of its folder: held in the source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from runs_code import found_in

TREES = ("src", "streams", "benchmarks", "scripts")

NAMED = "a module of a name from a table in the same file"
ALLOWED = {
    ("src/longsong/__init__.py", "importlib.import_module"): NAMED,
    ("benchmarks/worker.py", "importlib.import_module"): NAMED,
    ("benchmarks/stream_peers/task.py", "importlib.import_module"): NAMED,
    ("src/longsong/audit/one_thread.py", "ctypes"): "numpy's own library, by the path at which this process has it",
    ("src/longsong/model/fused/openmp.py", "ctypes"): "numba's own OpenMP, by the path at which this process has it",
    ("src/longsong/training/ranks.py", "ctypes"): "Python itself: an object is never to be freed",
    ("src/longsong/report/page.py", "markupsafe.Markup"): "what longsong.report.drawing drew: see the templates below",
    ("src/longsong/audit/song_statistics.py", "numpy.savez"): "numbers and text; read with allow_pickle=False",
    ("benchmarks/stream_peers/webdataset_members.py", "webdataset.WebDataset"): "the peer itself, on shards that its "
    "benchmark has written",
}
"""Origins, with all that is in them, that a file may use, and why."""


def faults(root: Path) -> tuple[list[str], set[tuple[str, str]]]:
    """Name each place of the source that could run what it reads; gives also what of `ALLOWED` was needed."""
    faults, needed = [], set()
    for path in sorted(path for tree in TREES for path in (root / tree).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        for line, origin, why in sorted(found_in(path.read_text(encoding="utf-8"))):
            allowed = {key for key in ALLOWED if key[0] == file and f"{origin}.".startswith(f"{key[1]}.")}
            needed |= allowed
            faults += [] if allowed else [f"{file}:{line}: {origin} {why}"]
    return faults, needed


def test_nothing_that_is_read_can_run_code_and_no_exception_is_for_nothing():
    assert faults(Path()) == ([], set(ALLOWED))


SPELLINGS = [
    # What unpickles.
    "import pickle",
    "import pickle as p\np.loads(b'')",
    "from pickle import loads",
    "import marshal; marshal.loads(b'')",
    "import shelve",
    "from dill import load",
    "import joblib as j\nj.load('a')",
    "import yaml\nyaml.load('a')",
    "from yaml import safe_load, load as l",
    "import torch\ntorch.load('a.pt')",
    "import torch\ntorch.load('a.pt', weights_only=False)",
    "import torch\nonly = True\ntorch.load('a.pt', weights_only=only)",
    "import torch as t\nt.load('a.pt')",
    "from torch import load\nload('a.pt')",
    "from torch import load as read\nread('a.pt')",
    "from torch.serialization import load\nload('a.pt')",
    "import torch.serialization as s\ns.load('a.pt')",
    "def f():\n    import torch\n    return torch\n\ndef g():\n    import torch as t\n    return t.load('a')",
    "import torch\nt = torch\nt.load('a.pt')",
    "import torch\nload = torch.load\nload('a.pt', weights_only=True)",
    "import torch\nmap(torch.load, ['a.pt'])",
    "from functools import partial\nimport torch\npartial(torch.load, 'a.pt')",
    "import torch\ngetattr(torch, 'load')('a.pt')",
    "from importlib import import_module\nt = import_module('torch')\nt.load('a.pt')",
    "import sys\nsys.modules['torch'].load('a.pt')",
    "import torch\ntorch.save({}, 'a.pt')",
    "import torch.distributed as dist\ndist.broadcast_object_list([])",
    "from torch.distributed import all_gather_object",
    "import torch\ntorch.hub.load('a', 'b')",
    "from torch import hub",
    "import numpy as np\nnp.load('a.npy')",
    "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
    "import numpy as np\nnp.load('a.npy', **{})",
    "from numpy import load\nload('a.npy', allow_pickle=True)",
    "from numpy import load as read\nread('a.npy')",
    "import numpy.lib.format as form\nform.read_array(None, allow_pickle=True)",
    "import numpy as np\nnp.savez('a', x=1)",
    "import pandas as pd\npd.read_pickle('a')",
    "def f(frame): return frame.to_pickle('a')",
    "import numba\nf = numba.njit(cache=True)",
    "from numba import njit as fast\nf = fast(cache=True)",
    "from webdataset import WebDataset as W\nW('a.tar')",
    "from multiprocessing.managers import BaseManager",
    # What runs text.
    "def f(x): return eval(x)",
    "def f(x): exec(x)",
    "list(map(eval, ['1']))",
    "import builtins\nbuiltins.eval('1')",
    "import builtins as b\nb.exec('1')",
    "from builtins import eval as literal\nliteral('1')",
    "run = exec\nrun('1')",
    "__builtins__['eval']('1')",
    "__import__('os')",
    "import importlib\nimportlib.__import__('a')",
    "from importlib import import_module\ndef f(x): return import_module(x)",
    "import importlib as i\ndef f(x): return i.import_module(x)",
    "import importlib\ndef f(x, get=importlib.import_module): return get(x)",
    "from importlib.machinery import SourceFileLoader",
    "import importlib.util as u\nu.spec_from_file_location('a', 'a.py')",
    "from importlib.metadata import entry_points",
    "import logging.config\nlogging.config.fileConfig('a.ini')",
    "from logging.config import dictConfig",
    "from logging import config",
    "import pdb; pdb.run('1')",
    "breakpoint()",
    "import runpy as r\nr.run_path('a.py')",
    "import zipimport",
    "import timeit\ntimeit.timeit('1')",
    "from types import FunctionType",
    "from os.path import *",
    # What starts programs.
    "from os import system",
    "import os as o\no.system('ls')",
    "import os\nos.popen('ls')",
    "import os\nos.execl('/bin/ls', 'ls')",
    "import os\nos.execve('/bin/ls', ['ls'], {})",
    "from os import execvp as go\ngo('ls', ['ls'])",
    "import os\nos.posix_spawn('/bin/ls', ['ls'], {})",
    "import os\nos.spawnlp(0, 'ls', 'ls')",
    "import pty\npty.spawn('ls')",
    "import subprocess\nsubprocess.run('ls', shell=True)",
    "import subprocess\nwith_shell = bool(1)\nsubprocess.run('ls', shell=with_shell)",
    "import subprocess as s\ns.Popen('ls', **{'shell': True})",
    "from subprocess import run\nrun('ls', -1, None, None, None, None, None, True, True)",
    "from subprocess import getoutput",
    "from asyncio import create_subprocess_shell",
    # Native code.
    "import ctypes\nctypes.CDLL('./a.so')",
    "import ctypes as c\nc.cdll['a.so']",
    "from ctypes import cdll\ncdll.LoadLibrary('a.so')",
    "def f(lib): return lib.CDLL('a.so')",
    "import torch\ntorch.ops.load_library('a.so')",
    "import cffi",
    # What follows what is written in texts and archives.
    "from xml.etree import ElementTree",
    "import xml.sax as s",
    "from lxml import etree",
    "from jinja2 import Environment\nEnvironment()",
    "from jinja2 import Environment as E\nE(autoescape=False)",
    "import jinja2\njinja2.Environment(trim_blocks=True)",
    "from jinja2 import Template\nTemplate('a').render()",
    "import jinja2 as j\nj.Template('a')",
    "from markupsafe import Markup as M\nM('a')",
    "import tarfile\ntarfile.open('a.tar').extractall('.')",
    "from shutil import unpack_archive as u\nu('a.zip')",
    # Whom is trusted.
    "import requests\nrequests.get('https://a', verify=False)",
    "import urllib3\nurllib3.PoolManager(cert_reqs='CERT_NONE')",
    "import ssl, urllib3\nurllib3.PoolManager(cert_reqs=ssl.CERT_NONE)",
    "from ssl import _create_unverified_context as c\nc()",
    "from tempfile import mktemp",
]


@pytest.mark.parametrize("source", SPELLINGS)
def test_each_spelling_would_be_noticed(tmp_path, source):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text(source)
    assert faults(tmp_path)[0]


def test_an_exception_is_for_its_file_and_its_origin_alone(tmp_path):
    for file in ("src/longsong/training/ranks.py", "src/longsong/training/other.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("import ctypes\nimport pickle\n")
    assert [fault.split(" ")[:2] for fault in faults(tmp_path)[0]] == [
        ["src/longsong/training/other.py:1:", "ctypes"],
        ["src/longsong/training/other.py:2:", "pickle"],
        ["src/longsong/training/ranks.py:2:", "pickle"],
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import ast, json\nast.literal_eval('1'); json.loads('1')",
        "import subprocess\nsubprocess.run(['ls']); subprocess.run(['ls'], shell=False)",
        "import numpy as np\nnp.load('a', allow_pickle=False)",
        "from numpy import load\nload('a', allow_pickle=False)",
        "import torch\ntorch.load('a', weights_only=True)",
        "from jinja2 import Environment\nEnvironment(autoescape=True)",
        "from importlib import import_module\nimport_module('torch')",
        "from numba import njit\nf = njit(cache=False)(len)",
        "def f(array): return array.ctypes.data",  # of numpy: where it lies
        "def f(input, compile):\n    return input if compile else None",
        "def f(code):\n    return code.co_name",
        "import os\nos.fspath('a'); os.path.join('a', 'b')",
        "import re\nre.compile('a')",
    ],
)
def test_what_is_safe_is_left_alone(tmp_path, source):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text(source)
    assert faults(tmp_path) == ([], set())


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
