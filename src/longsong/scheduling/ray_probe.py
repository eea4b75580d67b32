"""What a machine of a Ray cluster sees of what runs need: the code, the shards, the place of the runs."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import streams
from longsong.errors import LongsongError
from longsong.scheduling.storage_writing import open_writable
from longsong.version import __version__, source_commit
from streams.errors import StreamsError

__all__ = ["PROBE_BYTES", "look", "torch_version", "version"]

PROBE_BYTES = 64


def version() -> str:
    """Give the version of the code at hand, with its commit where that is known."""
    commit = source_commit()
    return __version__ if commit is None else f"{__version__} ({commit[:12]})"


def torch_version() -> str:
    """Give the version of torch at hand, without its build: ``2.13.0`` of ``2.13.0+cpu``."""
    return metadata.version("torch").partition("+")[0]


def processor() -> str:
    """Give the instructions of this processor that torch computes with, such as ``AVX512``."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def look(text: str) -> str:
    """Look, on this machine.

    Parameters
    ----------
    text : str
        JSON: ``probe``, a file of `PROBE_BYTES` characters or less in the folder ``folder`` or in the ``storage``,
        of which the other is null; ``token``, what is in it; ``shards``, a folder or URL; ``accelerated``, whether
        Ray says that there is an accelerator.

    Returns
    -------
    str
        JSON: ``host``; ``version``; ``torch``, its version; ``processor``, which of its instructions torch takes;
        ``sees_runs``; ``digest``, the song's in the shards, or null; ``why``, what is
        wrong with the shards; ``accelerator_memory`` in bytes.
    """
    asked = json.loads(text)
    digest, why = _digest(asked["shards"])
    return json.dumps(
        {
            "host": socket.gethostname(),
            "version": version(),
            "torch": torch_version(),
            "processor": processor(),
            "sees_runs": _sees(asked),
            "digest": digest,
            "why": why,
            "accelerator_memory": _accelerator_memory() if asked["accelerated"] else 0,
        }
    )


def _sees(asked: Mapping[str, Any]) -> bool:
    try:
        if asked["storage"] is None:
            content = (Path(asked["folder"]) / asked["probe"]).read_bytes()
        else:
            content = open_writable(asked["storage"]).read(asked["probe"], PROBE_BYTES)
    except (OSError, StreamsError):
        return False
    return bool(content == asked["token"].encode())


def _digest(shards: str) -> tuple[str | None, str]:
    try:
        return streams.Song.open(shards).digest, ""
    except (StreamsError, LongsongError, OSError) as error:
        return None, str(error)


def _accelerator_memory() -> int:
    """Give the bytes of the accelerator with least that runs may take; 0 where there is none."""
    import torch

    from longsong.training.plan import choose_memory

    count = torch.cuda.device_count()
    return min((choose_memory(None, torch.device("cuda", n)) for n in range(count)), default=0)
