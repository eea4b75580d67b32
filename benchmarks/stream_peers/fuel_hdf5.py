"""Fuel 0.2.0: HDF5 in memory, as the 2016 code had it.

Fuel does not install any more: its image extension does not build. Its data layer is plain Python, so that its
source archive, unpacked, is enough (``benchmarks/requirements.txt`` says how); the folder is named by ``--fuel`` or
the variable ``FUEL_SOURCE``. What it expects of a Python of 2016 is put in place before it is imported.
"""

from __future__ import annotations

import collections
import collections.abc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.stream_peers.task import Batch, Candidate, Task

__all__ = ["FOLDER_VARIABLE", "FuelHDF5"]

FOLDER_VARIABLE = "FUEL_SOURCE"
_FILE = "song.hdf5"
_SAMPLES_AT_ONCE = 1 << 22


class FuelHDF5(Candidate):
    """Inputs and targets as two arrays of float32, normalised, loaded whole: what Fuel streams is what was stored.

    The 2016 code stored float64 (FACTS D09), which is twice as much to copy; float32 is what all candidates give.
    The order is Fuel's own, which `Task.orders` is too.
    """

    title = "Fuel 0.2.0, HDF5 in memory"
    needs = ("h5py", "picklable_itertools", "toolz", "progressbar", "yaml", "six", "zmq")

    def missing(self) -> str:
        """Say what is not there: Fuel's source, or what its data layer imports."""
        folder = os.environ.get(FOLDER_VARIABLE, "")
        if not folder:
            return "the unpacked source of fuel 0.2.0 (--fuel FOLDER)"
        if not (Path(folder) / "fuel" / "datasets" / "hdf5.py").is_file():
            return f"fuel/datasets/hdf5.py in {folder}"
        return super().missing()

    def load(self) -> None:
        """Import Fuel's data layer from its unpacked source."""
        _shim()
        sys.path.insert(0, os.environ[FOLDER_VARIABLE])
        super().load()
        import_module("fuel.datasets.hdf5")

    def prepare(self, task: Task) -> None:
        """Write inputs and targets of all examples."""
        import h5py

        shape = (task.examples, task.seq, task.frame)
        with h5py.File(Path(task.folder) / _FILE, "w") as file:
            sources = {name: file.create_dataset(name, shape, dtype=np.float32) for name in ("inputs", "targets")}
            at_once = max(1, _SAMPLES_AT_ONCE // task.row_samples)
            for first in range(0, task.examples, at_once):
                rows = range(first, min(first + at_once, task.examples))
                inputs, targets = task.normalised(np.stack([task.row(example) for example in rows]))
                sources["inputs"][first : rows.stop], sources["targets"][first : rows.stop] = inputs, targets
            file.attrs["split"] = _split(task.examples)

    def open(self, task: Task) -> Iterator[Iterator[Batch]]:
        """Load the file."""
        from fuel.datasets.hdf5 import H5PYDataset
        from fuel.schemes import ShuffledScheme
        from fuel.streams import DataStream

        dataset = H5PYDataset(str(Path(task.folder) / _FILE), which_sets=("train",), load_in_memory=True)
        stream = DataStream(dataset, iteration_scheme=ShuffledScheme(dataset.num_examples, task.batch))
        while True:
            yield stream.get_epoch_iterator()


def _split(examples: int) -> np.ndarray:
    """Describe both sources as one training set, in the layout that H5PYDataset documents.

    Its own function for this makes fields of shape (1,) with a present-day NumPy.
    """
    import h5py

    fields: list[Any] = [
        ("split", "S5"),
        ("source", "S7"),
        ("start", np.int64),
        ("stop", np.int64),
        ("indices", h5py.special_dtype(ref=h5py.Reference)),
        ("available", np.bool_),
        ("comment", "S1"),
    ]
    rows = [(b"train", name, 0, examples, h5py.Reference(), True, b".") for name in (b"inputs", b"targets")]
    return np.array(rows, dtype=fields)


def _shim() -> None:
    """Put in place what Fuel imports and is not there any more, or is not needed here."""
    collections.Iterable = collections.abc.Iterable  # left collections in Python 3.10
    _module("tables")  # for PytablesDataset alone
    # The extension for images, and what tells picklable_itertools its own version.
    _module("fuel.transformers._image", window_batch_bchw=None, window_batch_bchw3d=None)
    if find_spec("pkg_resources") is None:
        _module("pkg_resources", get_distribution=_not_found, DistributionNotFound=LookupError)


def _module(name: str, **names: Any) -> None:
    module = ModuleType(name)
    vars(module).update(names)
    sys.modules[name] = module


def _not_found(name: str) -> None:
    raise LookupError(name)
