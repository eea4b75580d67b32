"""A real Ray cluster on loopback, each of whose nodes is some processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

__all__ = ["cluster_of", "node_of"]

_OBJECTS = 80 << 20  # bytes; nothing large is sent through Ray
_SYSTEM = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 4}


@contextmanager
def cluster_of(nodes: int, cores: int, memory: int) -> Iterator[Any]:
    """Start a cluster of equal nodes, the first of which is its head.

    Parameters
    ----------
    nodes, cores : int
    memory : int
        Bytes that each says it has.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Its name is that of another use: Ray stays with 127.0.0.1 and asks for no address of this machine.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from ray.cluster_utils import Cluster

        about = {
            "num_cpus": cores,
            "memory": memory,
            "object_store_memory": _OBJECTS,
            "node_ip_address": "127.0.0.1",
            "include_dashboard": False,
        }
        cluster = Cluster(initialize_head=True, head_node_args={**about, "_system_config": _SYSTEM})
        try:
            for _ in range(nodes - 1):
                cluster.add_node(wait=False, **about)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()


def node_of(cluster: Any, pid: int) -> Any:
    """Give the node that a process belongs to."""
    above = {process.pid for process in psutil.Process(pid).parents()}
    return next(
        node
        for node in cluster.list_all_nodes()
        if any(one.process.pid in above for one in node.all_processes["raylet"])
    )
