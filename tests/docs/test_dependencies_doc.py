"""Every dependency is in docs/dependencies.md, with its bound, licence and reason; and none is there that is none."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)
DOC = Path("docs/dependencies.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def table(heading: str) -> dict[str, list[str]]:
    """Give the rows of a section by the package's name: the other cells."""
    section = DOC[DOC.index(f"## {heading}") :].split("\n## ")[0]
    rows = {match[1]: [cell.strip() for cell in match[2].split("|")] for match in ROW.finditer(section)}
    assert rows
    assert all(all(cells) for cells in rows.values())
    return rows


def asked(requirements: list[str]) -> dict[str, str]:
    """Give the bounds of requirements by name, extras included."""
    split = [re.match(r"([A-Za-z0-9._-]+(?:\[[^]]*\])?)(.*)", one) for one in requirements]
    return {found[1]: f"`{found[2]}`" if found[2] else "itself" for found in split if found}


def test_what_is_needed_has_its_reason_and_bound():
    assert {name: cells[0] for name, cells in table("Needed").items()} == asked(PROJECT["dependencies"])


def test_extras_and_tests_have_theirs():
    optional = PROJECT["optional-dependencies"]
    dev = optional["dev"]
    others = [one for name, extra in optional.items() if name != "dev" for one in extra]
    assert {name: cells[0] for name, cells in table("Extras").items()} == asked(others)
    assert {name: cells[0] for name, cells in table("For tests").items()} == asked(dev)


def test_all_that_is_pinned_is_named():
    pinned = {normal(line.split("==")[0]) for line in Path("constraints.txt").read_text().splitlines() if "==" in line}
    direct = {normal(name.split("[")[0]) for part in ("Needed", "Extras", "For tests") for name in table(part)}
    brought = {normal(name) for name in table("What these bring")}
    assert pinned - direct == brought


def test_what_the_source_imports_is_asked_for():
    """No package is used that only happens to be there."""
    # By another name, or what another package is made on.
    named = {"PIL": "pillow", "markupsafe": "jinja2", "fsspec": "s3fs", "llvmlite": "numba"}
    own = {"longsong", "streams"}
    declared = {normal(name.split("[")[0]) for name in asked(PROJECT["dependencies"])}
    declared |= {
        normal(name) for extra in ("s3", "ray", "kernels") for name in asked(PROJECT["optional-dependencies"][extra])
    }
    for path in [*Path("src").rglob("*.py"), *Path("streams").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for top in {name.split(".")[0] for name in names} - own - set(sys.stdlib_module_names):
                assert normal(named.get(top, top)) in declared, (path, top)
