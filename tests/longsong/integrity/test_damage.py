"""How long a file of tensors has to be, by its head, which may be damaged itself."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from safetensors.torch import save

from longsong.integrity.damage import tensors_end


def file_of(head: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(head) if length is None else length) + head


def test_it_ends_where_its_last_tensor_does(tmp_path):
    content = save({"one": torch.zeros(3, 5), "two": torch.ones(7)}, {"epoch": "1"})
    path = tmp_path / "a.safetensors"
    for there in (content, content[: len(content) * 2 // 3], content + b"more"):
        path.write_bytes(there)
        assert tensors_end(path) == len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\1\2\3", file_of(b"{"), file_of(b"[]"), file_of(b"{}"), file_of(b'{"a": 3}'), file_of(b"[" * 100_000),
        file_of(b'{"a": {"data_offsets": [0]}}'), file_of(b'{"a": {"data_offsets": [0, "x"]}}'),
        file_of(json.dumps({"a": {"data_offsets": [0, 4]}}).encode(), 1 << 40),  # of which no memory is taken
        file_of(json.dumps({"a": {"data_offsets": [0, 4]}}).encode(), (1 << 64) - 1),
    ],
)  # fmt: skip
def test_of_a_head_that_is_damaged_nothing_is_believed(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    assert tensors_end(tmp_path / "a.safetensors") is None
    assert tensors_end(tmp_path / "none") is None
