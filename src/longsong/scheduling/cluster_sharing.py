"""How several machines are shared by runs side by side, each of which is on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from longsong.config import Device
from longsong.errors import DeviceError, RunError
from longsong.scheduling.sharing import Sharing, candidates

__all__ = ["ClusterNode", "ClusterSharing", "share_cluster"]


@dataclass(frozen=True)
class ClusterNode:
    """A machine of a cluster.

    Attributes
    ----------
    id, host : str
    cores : int
    memory : int
        Bytes.
    accelerators : int
    accelerator_memory : int
        Bytes of the one with least; 0 where there is none.
    """

    id: str
    host: str
    cores: int
    memory: int
    accelerators: int = 0
    accelerator_memory: int = 0


@dataclass(frozen=True)
class ClusterSharing(Sharing):
    """Equal machines, each in the same number of slots.

    A machine here is what the smallest one has: a larger one stands for as many as it has room for. So a slot fits
    wherever there is one free, and a run never takes more slots than one machine has. `cores` and `memory` are those
    of all machines. A machine is cut into as few slots as give `slots` in all, but into none that differ: their
    number divides its cores.

    Attributes
    ----------
    machines : int
    host_memory : int
        Bytes beside an accelerator's own, for all slots; 0 where there is none.
    """

    machines: int = 1
    host_memory: int = 0

    @property
    def slots_of_machine(self) -> int:
        """Slots that one machine is cut into."""
        cores = self.cores // self.machines
        least = -(-self.slots // self.machines)
        return next((parts for parts in range(least, cores) if cores % parts == 0), cores)

    def threads(self, slots: int) -> int:
        """Give the CPU threads of a run that takes so many slots of a machine."""
        return self.cores // self.machines * slots // self.slots_of_machine

    def memory_of(self, slots: int) -> int:
        """Give the bytes of a run that takes so many slots of a machine."""
        return self.memory // self.machines * slots // self.slots_of_machine

    def sizes(self) -> list[int]:
        """Give how many slots a run may take: 1, 2, 4 and so on, and all of a machine."""
        return [*candidates(min(self.slots, self.slots_of_machine))]

    def requirements(self, threads: int) -> dict[str, float]:
        """Give what a run with so many threads is to find free on a machine: CPUs, bytes, a share of an accelerator."""
        share = threads / (self.cores // self.machines)
        if self.device == "cuda":
            return {"num_cpus": threads, "num_gpus": share, "memory": int(self.host_memory // self.machines * share)}
        return {"num_cpus": threads, "memory": int(self.memory // self.machines * share)}

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        return super().to_json() | {"machines": self.machines, "host_memory": self.host_memory}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Give what was written, or raise RunError where it cannot be; what is of one machine is read as such."""
        kept = replace(super().from_json(values), machines=values.get("machines", 1))
        kept = replace(kept, host_memory=values.get("host_memory", 0))
        whole = [number for number in (kept.machines, kept.host_memory) if type(number) is int and number >= 0]
        if len(whole) < 2 or not 0 < kept.machines <= kept.cores:
            raise RunError(f"its sharing is altered ({kept.machines!r} machines, {kept.host_memory!r} bytes)")
        return kept


def share_cluster(name: str, nodes: Sequence[ClusterNode], device: Device) -> ClusterSharing:
    """Give what the machines of a cluster have, one slot each.

    Parameters
    ----------
    name : str
        Of the cluster, for messages.
    nodes : sequence of ClusterNode
    device : {'auto', 'cpu', 'cuda'}
        What is to compute; by default accelerators where every machine has one.

    Raises
    ------
    DeviceError
        No machine has a core, or none has such a device.
    """
    nodes = [node for node in nodes if node.cores and node.memory]
    if not nodes:
        raise DeviceError(f"{name} has no node with a CPU; start some (ray start --address={name})")
    equipped = [node for node in nodes if node.accelerators and node.accelerator_memory]
    if device == "cuda" and not equipped:
        raise DeviceError(f"device is 'cuda', and none of the {len(nodes)} nodes of {name} has one; take --device cpu")
    if device == "cuda" or (device == "auto" and len(equipped) == len(nodes)):
        # An accelerator is a machine, with its part of the cores and memory.
        cores = max(1, min(node.cores // node.accelerators for node in equipped))
        host = min(node.memory // node.accelerators for node in equipped)
        machines = sum(min(node.accelerators, node.cores // cores) for node in equipped)
        memory = min(node.accelerator_memory for node in equipped)
        return ClusterSharing(name, "cuda", machines * cores, machines * memory, machines, machines, machines * host)
    cores, memory = min(node.cores for node in nodes), min(node.memory for node in nodes)
    machines = sum(min(node.cores // cores, node.memory // memory) for node in nodes)
    return ClusterSharing(name, "cpu", machines * cores, machines * memory, machines, machines)
