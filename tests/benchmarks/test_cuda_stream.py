"""What of a GRU's weights comes from the L2 cache at each step: what does not stay on the chip."""

from __future__ import annotations

import pytest
import torch

from benchmarks import compiled

cuda_stream = pytest.importorskip("benchmarks.cuda_stream", reason="Triton is not here")


@pytest.mark.parametrize(
    ("hidden", "precision", "matrices", "size"),
    [(128, "bfloat16", 0, 2), (256, "bfloat16", 4, 2), (512, "bfloat16", 6, 2), (256, "float32", 6, 4)],
)
def test_it_is_what_is_not_kept_both_ways(hidden, precision, matrices, size):
    found = cuda_stream.streamed_bytes(hidden, precision, torch.device("cpu"))
    assert found == matrices * hidden * hidden * size


def test_its_kernel_compiles(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    arguments = torch.zeros(4), torch.zeros(4), 3
    found = compiled._compiled(cuda_stream._read, arguments, {"SIZE": 65536, "BLOCK": 2048, **cuda_stream._OPTIONS})
    assert found["spilled"] == 0
