"""The candidates of `benchmarks.streams`, by the names that the command line knows."""

from __future__ import annotations

from benchmarks.floor import Floor
from benchmarks.stream_peers.fuel_hdf5 import FuelHDF5
from benchmarks.stream_peers.litdata_tokens import LitDataTokens
from benchmarks.stream_peers.mosaic_mds import MosaicMDS
from benchmarks.stream_peers.numpy_rows import NumPyRows
from benchmarks.stream_peers.ours import Ours
from benchmarks.stream_peers.task import Candidate
from benchmarks.stream_peers.torch_dataloader import TorchDataLoader
from benchmarks.stream_peers.webdataset_members import WebDatasetMembers

__all__ = ["CANDIDATES"]

CANDIDATES: dict[str, Candidate] = {
    "floor": Floor(),
    "ours": Ours(),
    "numpy": NumPyRows(),
    "fuel": FuelHDF5(),
    "torch": TorchDataLoader(),
    "litdata": LitDataTokens(),
    "mosaic": MosaicMDS(),
    "webdataset": WebDatasetMembers(),
}
