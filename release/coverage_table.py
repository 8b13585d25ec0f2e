"""`make coverage`: write the share of the code that tests run, by package, into CONTRIBUTING.md.

    python -m release.coverage_table build/coverage.json

The file is what `coverage json` writes. The section "Coverage" is replaced.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.atomic_files import write_file

PAGE: Final = Path(__file__).parents[1] / "CONTRIBUTING.md"
_SECTION: Final = re.compile(r"\n## Coverage\n.*?(?=\n## |\Z)", re.DOTALL)
_TALLIES: Final = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def write_table(measured: Path, page: Path = PAGE) -> str:
    """Replace the section of a page by the figures of a file, or add it; returns the section.

    Args:
        measured: what `coverage json` wrote, with branches.
        page: a Markdown file.
    """
    section = describe_coverage(json.loads(measured.read_bytes()))
    text = _SECTION.sub("", page.read_text("utf-8")).rstrip("\n")
    write_file(page, f"{text}\n\n{section}".encode())
    return section


def describe_coverage(measured: Mapping[str, Any]) -> str:
    """Return the section: a table of the packages that were measured, and what the figures cover."""
    packages: dict[str, Counter[str]] = {}
    for file, about in measured["files"].items():
        tally = packages.setdefault(Path(file).parts[0], Counter())
        tally.update({name: about["summary"][name] for name in _TALLIES})
    rows = [_describe_row(f"`{name}`", packages[name]) for name in sorted(packages)]
    if len(packages) > 1:
        rows.append(_describe_row("together", sum(packages.values(), Counter())))
    names = " ".join(sorted(packages))
    return "\n".join(
        [
            "## Coverage",
            "",
            f'`make coverage COVERED="{names}"` wrote this table (coverage.py {measured["meta"]["version"]}, Python '
            f"{platform.python_version()}).",
            "It counts the fast tests of these packages and the processes that they start.",
            "",
            "| package | statements | run by tests | branches taken |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _describe_row(name: str, tally: Mapping[str, int]) -> str:
    lines = _describe_share(tally["covered_lines"], tally["num_statements"])
    branches = _describe_share(tally["covered_branches"], tally["num_branches"])
    return f"| {name} | {tally['num_statements']} | {lines} | {branches} |"


def _describe_share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


if __name__ == "__main__":
    print(write_table(Path(sys.argv[1])))
