"""Memory that is there: the machine's, or what a container leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from longsong.training import memory

CPU = torch.device("cpu")


def test_this_machine():
    assert 0 < memory.resident_bytes() < memory.total_memory(CPU)
    assert 0 < memory.free_memory(CPU) < memory.total_memory(CPU)


def group(folder: Path, names: tuple[str, str, str], limit: str, used: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 17\n{names[2]} {cached}\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_narrowest_group_counts_and_its_cached_pages_are_free(tmp_path, monkeypatch, version):
    membership = tmp_path / "cgroup"
    membership.write_text("12:cpu:/other\n4:memory:/a/b\n0::/a/b\n" if version == 1 else "0::/a/b\n")
    (chosen,) = [kind for kind in memory._VERSIONS if ("limit" in kind.limit) == (version == 1)]
    root = tmp_path / "files"
    names = (chosen.limit, chosen.used, chosen.cached)
    group(root / "a", names, str(3 << 20), 1 << 20, 0)
    group(root / "a/b", names, str(2 << 20), 1 << 20, 1 << 19)
    monkeypatch.setattr(memory, "_MEMBERSHIP", membership)
    kind = memory._Version(root, chosen.member, *names)
    monkeypatch.setattr(memory, "_VERSIONS", (kind,))
    assert memory.total_memory(CPU) == 2 << 20
    assert memory.free_memory(CPU) == (1 << 20) + (1 << 19)
    group(root / "a/b", names, "max" if version == 2 else str(2**63 - 4096), 1 << 20, 0)
    assert memory.total_memory(CPU) == 3 << 20
    assert memory.free_memory(CPU) == 2 << 20
    membership.write_text("7:cpu:/\n")
    assert memory.total_memory(CPU) > 1 << 28


def test_the_peak_is_of_what_was_held_since_and_no_more():
    before = bytearray(192 << 20)
    before[:: 1 << 12] = b"x" * len(before[:: 1 << 12])
    del before
    peak = memory.PeakMemory(CPU)
    held = memory.resident_bytes()
    begun = peak.bytes()
    assert begun is not None
    assert abs(begun - held) < 64 << 20
    block = bytearray(128 << 20)
    block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
    del block
    after = peak.bytes()
    assert after is not None
    assert (96 << 20) < after - begun < (160 << 20)


def test_where_the_system_does_not_tell_it_there_is_no_peak(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "nowhere" / "clear_refs")
    assert memory.PeakMemory(CPU).bytes() is None
    monkeypatch.undo()
    (tmp_path / "status").write_text("Name:\tpython\n")
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert memory.PeakMemory(CPU).bytes() is None
