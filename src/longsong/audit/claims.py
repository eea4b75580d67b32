"""The claims, read from ``claims.toml`` beside the package."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from string import Template

__all__ = ["Claim", "load_claims"]


@dataclass(frozen=True)
class Claim:
    """A claim of the post (P), or a way of the 2016 code (D).

    Attributes
    ----------
    id : str
        ``P01`` and so on.
    claim, where, says, checked, again, todo : str
        As the head of ``claims.toml`` explains.
    """

    id: str
    claim: str
    where: str
    says: str
    checked: str
    again: str
    todo: str

    def command(self, *, runs: str, run: str, shards: str) -> str:
        """Give the command that shows the evidence without the audit, with its places put in, quoted."""
        places = {"runs": runs, "run": run, "shards": shards}
        return Template(self.again).substitute({name: shlex.quote(path) for name, path in places.items()})


@cache
def load_claims() -> tuple[Claim, ...]:
    """Read all claims, P01 to P22 and D01 to D15, in this order."""
    table = tomllib.loads(files("longsong").joinpath("claims.toml").read_text(encoding="utf-8"))
    names = [field.name for field in fields(Claim) if field.name != "id"]
    return tuple(Claim(id, **{name: entry[name] for name in names}) for id, entry in table.items())
