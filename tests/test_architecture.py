"""Arrows point down only: which room may import which, and nobody reaches into another's private names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "core": set(),
    "faces": {"core"},
    "gen": {"faces", "core"},
    "inversion": {"gen", "faces", "core"},
    "editing": {"inversion", "gen", "faces", "core", "gestaltgen.cli.progress"},
    "weights": {"faces", "core"},
    "recognition": {"faces", "core", "gestaltgen_client"},
    "api": {"editing", "inversion", "gen", "faces", "core", "weights"},
    "gestaltgen": {"api", "editing", "inversion", "gen", "faces", "core", "recognition", "weights"},
    "examples": {"gestaltgen"},
}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of everything that a file imports; the name is empty for `import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_what_lies_below(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        for module, name in imports(file):
            top = module.split(".")[0]
            if top in MAY_IMPORT and top != room:
                allowed = top in MAY_IMPORT[room] or module in MAY_IMPORT[room]
                assert allowed, f"{file.relative_to(ROOT)} imports {module}"
                assert not name.startswith("_"), f"{file.relative_to(ROOT)} takes {name} of {module}"


def test_the_client_imports_nothing_of_ours() -> None:
    files = sorted((ROOT / "client" / "gestaltgen_client").rglob("*.py"))
    assert files
    for file in files:
        assert not {module.split(".")[0] for module, _ in imports(file)} & set(MAY_IMPORT), file


def test_examples_use_what_users_have() -> None:
    """The client, and nothing else of ours."""
    for file in (ROOT / "examples").rglob("*.py"):
        assert not {module.split(".")[0] for module, _ in imports(file)} & set(MAY_IMPORT), file


def test_networks_know_no_command_line() -> None:
    for file in (ROOT / "gen").rglob("*.py"):
        assert not {"typer", "rich", "argparse", "click"} & {module.split(".")[0] for module, _ in imports(file)}
