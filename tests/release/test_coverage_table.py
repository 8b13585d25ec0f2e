"""The table of coverage: shares by package, and a page whose other sections stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

from release.coverage_table import write_table


def measured(**files: tuple[int, int, int, int]) -> str:
    names = ("num_statements", "covered_lines", "num_branches", "covered_branches")
    summaries = {
        f"{name.replace('__', '/')}.py": {"summary": dict(zip(names, counts, strict=True))}
        for name, counts in files.items()
    }
    return json.dumps({"meta": {"version": "7.1"}, "files": summaries})


def test_shares_are_those_of_all_files_of_a_package(tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    figures.write_text(measured(core__a=(10, 5, 4, 1), core__b=(30, 30, 0, 0), gen__a=(60, 60, 0, 0)))
    page.write_text("# A page\n\n## Coverage\n\nold\n\n## Another\n\ntext\n")
    section = write_table(figures, page)
    assert "| `core` | 40 | 87.5 % | 25.0 % |\n| `gen` | 60 | 100.0 % | none |\n| together | 100 | 95.0 %" in section
    assert page.read_text() == f"# A page\n\n## Another\n\ntext\n\n{section}"
    write_table(figures, page)
    assert page.read_text().count("## Coverage") == 1
