"""How a cluster is cut into slots: each fits on a machine, wherever one is free."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import DeviceError, RunError
from longsong.scheduling.cluster_sharing import ClusterNode, ClusterSharing, share_cluster
from longsong.scheduling.sharing import Sharing

nodes = st.lists(
    st.builds(
        ClusterNode,
        id=st.just("n"),
        host=st.just("h"),
        cores=st.integers(1, 64),
        memory=st.integers(1 << 20, 1 << 40),
    ),
    min_size=1,
    max_size=6,
)


@given(nodes, st.data())
def test_as_many_runs_as_there_are_slots_find_room_and_none_is_larger_than_a_machine(found, data):
    machine = share_cluster("head:1", found, "auto")
    assert (machine.device, machine.slots) == ("cpu", machine.machines)
    sharing = replace(machine, slots=data.draw(st.integers(1, machine.cores)))
    one = sharing.requirements(sharing.threads(1))
    rooms = [min(node.cores // one["num_cpus"], node.memory // max(1, one["memory"])) for node in found]
    assert sum(rooms) >= sharing.slots
    for size in sharing.sizes():
        needs = sharing.requirements(sharing.threads(size))
        assert needs["num_cpus"] == sharing.threads(size) == size * sharing.threads(1)
        assert needs["num_cpus"] <= min(node.cores for node in found)
        assert needs["memory"] <= min(node.memory for node in found)
        assert sharing.memory_of(size) <= needs["memory"] + 1
    assert ClusterSharing.from_json(sharing.to_json()) == sharing
    assert sharing.sizes()[-1] == min(sharing.slots, sharing.slots_of_machine)


def test_a_large_machine_stands_for_several_and_cores_are_cut_evenly():
    found = [ClusterNode("a", "a", 16, 64_000), ClusterNode("b", "b", 34, 200_000), ClusterNode("c", "c", 48, 70_000)]
    machine = share_cluster("head:1", found, "cpu")
    assert (machine.machines, machine.cores, machine.memory) == (4, 64, 256_000)
    assert [replace(machine, slots=slots).slots_of_machine for slots in (1, 4, 5, 8, 9, 12, 64)] == [
        1,
        1,
        2,
        2,
        4,
        4,
        16,
    ]
    cut = replace(machine, slots=9)
    assert [(size, cut.threads(size), cut.memory_of(size)) for size in cut.sizes()] == [
        (1, 4, 16_000),
        (2, 8, 32_000),
        (4, 16, 64_000),
    ]


def test_accelerators_are_machines_with_their_part_of_the_cores():
    found = [
        ClusterNode("a", "a", 64, 800_000, accelerators=8, accelerator_memory=80_000),
        ClusterNode("b", "b", 16, 90_000, accelerators=1, accelerator_memory=40_000),
    ]
    machine = share_cluster("head:1", found, "auto")
    assert (machine.device, machine.machines, machine.cores, machine.memory) == ("cuda", 9, 72, 360_000)
    cut = replace(machine, slots=36)
    assert (cut.threads(1), cut.memory_of(1)) == (2, 10_000)
    assert cut.requirements(2) == {"num_cpus": 2, "num_gpus": 0.25, "memory": 22_500}
    mixed = [*found, ClusterNode("c", "c", 8, 32_000)]
    assert share_cluster("head:1", mixed, "auto").device == "cpu"
    assert share_cluster("head:1", mixed, "cuda") == machine
    with pytest.raises(DeviceError, match="none of the 1 nodes of head:1 has one"):
        share_cluster("head:1", mixed[2:], "cuda")
    with pytest.raises(DeviceError, match="has no node with a CPU"):
        share_cluster("head:1", [], "cpu")


def test_what_was_kept_of_one_machine_is_none_of_a_cluster_and_what_is_altered_is_refused():
    machine = share_cluster("head:1", [ClusterNode("a", "a", 2, 100)] * 3, "cpu")
    one = Sharing("head:1", "cpu", machine.cores, machine.memory, machine.slots)
    assert ClusterSharing.from_json(one.to_json()) != machine
    for change in ({"machines": 0}, {"machines": "3"}, {"machines": 7}, {"host_memory": -1}, {"cores": 0}):
        with pytest.raises(RunError, match="its sharing is altered"):
            ClusterSharing.from_json(machine.to_json() | change)
