"""A Ray cluster that is there already: joined, and asked what its nodes have and see."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from longsong.config import Device
from longsong.errors import ConfigError, RunError
from longsong.files import os_errors_named, write_bytes
from longsong.scheduling.cluster_sharing import ClusterNode, ClusterSharing, share_cluster
from longsong.scheduling.ray_probe import PROBE_BYTES, look, torch_version, version
from longsong.scheduling.storage_writing import WritableStorage

__all__ = ["RayCluster", "joined"]

_SECONDS_TO_REACH, _SECONDS_TO_LOOK = 5.0, 120.0
_PORT = 6379
_A_LITTLE = 0.01  # of an accelerator: a task that takes none sees none


@contextmanager
def joined(address: str) -> Iterator[RayCluster]:
    """Join a cluster in this block.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of its head, or ``auto`` for the one that this machine belongs to.

    Raises
    ------
    ConfigError
        Ray is not installed, or the address is none.
    RunError
        There is no cluster.
    """
    # Ray reads these when it is first imported: what it would send to its makers stays here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(f"--ray: Ray is not here ({error}); pip install 'longsong[ray]'") from error
    mine = not ray.is_initialized()
    if mine:
        _require_address(address)
        with _named(address):
            address = _meant(address)
        _reach(address)
        with _named(address):
            ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
    try:
        yield RayCluster(ray, ray.get_runtime_context().gcs_address)
    finally:
        if mine:
            ray.shutdown()


@contextmanager
def _named(address: str) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(
            f"no Ray cluster at {address} ({first}); start one: ray start --head --disable-usage-stats, and on each "
            f"other machine ray start --address=HOST:{_PORT}"
        ) from error


def _meant(address: str) -> str:
    """Give what Ray takes an address for: ``auto`` for that of a cluster which may have ended, for one."""
    from ray._private.services import canonicalize_bootstrap_address  # what ``ray.init`` itself asks

    return str(canonicalize_bootstrap_address(address))


def _require_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    wrong = not host or "/" in host or not port.isdigit() or not 0 < int(port) < 1 << 16
    if address != "auto" and wrong:
        raise ConfigError(
            f"--ray is {address!r}; give auto, or HOST:PORT of the cluster's head, such as 10.0.0.1:{_PORT}, on a "
            "machine of the cluster"
        )


def _reach(address: str) -> None:
    """Raise soon where nobody listens: Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_REACH).close()
    except OSError as error:
        raise RunError(
            f"no Ray cluster answers at {address} ({error.strerror or error}); start one there (ray start --head "
            "--disable-usage-stats), or look at the address"
        ) from error


class RayCluster:
    """A cluster.

    Parameters
    ----------
    ray : module
        Ray, which is joined to it.
    name : str
        Its address.
    """

    def __init__(self, ray: Any, name: str) -> None:
        self.ray, self.name = ray, name

    def share(
        self, digest: str, shards: str, out: Path, device: Device, storage: WritableStorage | None
    ) -> tuple[ClusterSharing, bool, list[str]]:
        """Have every node look for what runs need, and give what the cluster has.

        Parameters
        ----------
        digest : str
            Of the song.
        shards : str
            The folder or URL where nodes are to look for it.
        out : Path
            The folder of runs, which every node must see where there is no storage.
        device : {'auto', 'cpu', 'cuda'}
        storage : WritableStorage or None
            In which runs are kept.

        Returns
        -------
        ClusterSharing
            What the machines have, one slot each.
        bool
            Whether every node sees the shards.
        list of str
            What is to be said of them.

        Raises
        ------
        RunError
            A node has another version of longsong or torch, does not see the runs, or does not answer.
        DeviceError
            There is no such device.
        """
        nodes = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        with _probe(out, storage) as asked:
            answers = self._ask(nodes, {**asked, "shards": shards})
        for answer in answers:
            if answer["version"] != version():
                raise RunError(
                    f"node {answer['host']} has longsong {answer['version']}, and this machine {version()}; install "
                    "the same everywhere"
                )
            if answer["torch"] != torch_version():
                raise RunError(
                    f"node {answer['host']} has torch {answer['torch']}, and this machine {torch_version()}, which "
                    "gives other numbers; install the same everywhere"
                )
            if not answer["sees_runs"]:
                what = f"the folder {out.absolute()}" if storage is None else f"the storage {storage.name}"
                raise RunError(
                    f"node {answer['host']} does not see {what}; give an --out that all nodes share, or a --storage "
                    "that all can read (s3://…)"
                )
        found = [
            ClusterNode(
                node["NodeID"],
                answer["host"],
                int(node["Resources"]["CPU"]),
                int(node["Resources"].get("memory", 0)),
                int(node["Resources"].get("GPU", 0)),
                answer["accelerator_memory"],
            )
            for node, answer in zip(nodes, answers, strict=True)
        ]
        seen = all(answer["digest"] == digest for answer in answers)
        return share_cluster(self.name, found, device), seen, _unlike(answers)

    def accelerated(self, device: Device) -> bool:
        """Say whether runs are computed on accelerators: where every node has one, or they are asked for."""
        nodes = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        every = bool(nodes) and all(node["Resources"].get("GPU") for node in nodes)
        return device == "cuda" or (device == "auto" and every)

    def _ask(self, nodes: Sequence[Any], asked: dict[str, Any]) -> list[dict[str, Any]]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self.ray.remote(look)
        refs = [
            task.options(
                num_cpus=0,
                num_gpus=_A_LITTLE if node["Resources"].get("GPU") else 0,
                max_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            ).remote(json.dumps(asked | {"accelerated": bool(node["Resources"].get("GPU"))}))
            for node in nodes
        ]
        _, late = self.ray.wait(refs, num_returns=len(refs), timeout=_SECONDS_TO_LOOK) if refs else ([], [])
        answers = []
        for node, ref in zip(nodes, refs, strict=True):
            host = node["NodeManagerHostname"]
            if ref in late:
                raise RunError(f"node {host} does not answer within {_SECONDS_TO_LOOK:g} s; look at it, or take it out")
            try:
                answers.append(json.loads(self.ray.get(ref)))
            except self.ray.exceptions.RayError as error:
                last = str(error).strip().splitlines()[-1]
                raise RunError(
                    f"node {host} cannot run longsong ({last}); install this version of longsong[ray] there"
                ) from error
        return answers


def _unlike(answers: Sequence[dict[str, Any]]) -> list[str]:
    """Say which processors differ: what one has begun, another would end with other last bits."""
    hosts: dict[str, list[str]] = {}
    for answer in answers:
        hosts.setdefault(answer["processor"], []).append(answer["host"])
    if len(hosts) < 2:
        return []
    words = "; ".join(f"{name} on {', '.join(sorted(set(some)))}" for name, some in sorted(hosts.items()))
    return [f"processors differ ({words}): a run that moves from one to another ends with other last bits"]


@contextmanager
def _probe(out: Path, storage: WritableStorage | None) -> Iterator[dict[str, Any]]:
    """Leave a file where the runs will be; gives what nodes are to be asked of it."""
    token = secrets.token_hex(PROBE_BYTES // 2)
    name = f"longsong-probe-{secrets.token_hex(8)}"
    asked = {"probe": name, "token": token, "folder": None, "storage": None}
    with ExitStack() as stack:
        if storage is not None:
            storage.write(name, token.encode())
            stack.callback(storage.remove, name)
            yield asked | {"storage": storage.url}
            return
        folder = out.absolute()
        while not folder.exists():
            folder = folder.parent
        name = f".{name}"
        with os_errors_named(folder):
            write_bytes(folder / name, token.encode())
            stack.callback((folder / name).unlink, missing_ok=True)
        yield asked | {"probe": name, "folder": str(folder)}
