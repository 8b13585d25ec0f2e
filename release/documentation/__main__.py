"""Collects the pages of the documentation site in a folder, from which `make docs` builds the site.

    python -m release.documentation FOLDER

The folder mirrors the repository, so that the links of the pages hold there too. `docs/README.md` names the pages in
groups, which become the navigation of the site; references of commands, routes and client are made from the code.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from release.documentation.client import write_client_page
from release.documentation.commands import write_command_pages
from release.documentation.links import find_links
from release.documentation.rest import write_route_pages

ROOT: Final = Path(__file__).parents[2]
CONTENTS: Final = Path("docs/README.md")
"""Page that names all others; it is the first page of the site."""
_REFERENCE: Final = "Reference"
"""The last group of pages, to which the references that are made from the code are added."""


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    contents = (ROOT / CONTENTS).read_text(encoding="utf-8")
    groups = list_pages(contents)
    copy_pages([page for pages in groups.values() for page in pages.values()], folder)
    references = write_references(folder)
    groups[_REFERENCE] |= references
    write_index(folder, contents, references, groups)


def list_pages(contents: str) -> dict[str, dict[str, str]]:
    """Return the pages that a page of contents lists: for each group, their paths in the repository by title."""
    groups: dict[str, dict[str, str]] = {}
    for title, section in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", contents, flags=re.MULTILINE | re.DOTALL):
        entries = re.findall(r"^- \[(.+?)\]\((.+?\.md)\)", section, flags=re.MULTILINE)
        pages = {name: (ROOT / CONTENTS.parent / path).resolve().relative_to(ROOT).as_posix() for name, path in entries}
        if pages:
            groups[title] = pages
    return groups


def copy_pages(pages: list[str], folder: Path) -> None:
    """Copy pages, and the files of the repository that they show or offer for download, to the same places below."""
    for page in pages:
        _copy(ROOT / page, folder)
        for link in find_links((ROOT / page).read_text(encoding="utf-8")):
            target = (ROOT / page).parent / link.partition("#")[0]
            if target.is_file() and target.suffix != ".md":
                _copy(target.resolve(), folder)


def write_index(
    folder: Path, contents: str, references: Mapping[str, str], groups: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the first page: the page of contents with the references at its end, and the groups as the navigation."""
    for page in folder.glob("*.md"):  # of which the overview leads to the page of contents
        page.write_text(page.read_text("utf-8").replace(f"]({CONTENTS})", "](index.md)"), encoding="utf-8")
    text = re.sub(r"\]\((?!\w+:)", "](docs/", contents).replace("](docs/../", "](")
    added = "".join(f"- [{title}]({path}), made from the code\n" for title, path in references.items())
    navigation = "".join(_render_toctree(pages, caption) for caption, pages in groups.items())
    (folder / "index.md").write_text(text + added + navigation, encoding="utf-8")


def write_references(folder: Path) -> dict[str, str]:
    """Write the references of commands, routes and client. Returns the paths of their first pages by title."""
    _write_group(folder / "reference/commands", dict(write_command_pages()))
    _write_group(folder / "reference/rest", dict(write_route_pages()))
    (folder / "reference/client.md").write_text(write_client_page(), encoding="utf-8")
    return {
        "Command line": "reference/commands/index.md",
        "REST interface": "reference/rest/index.md",
        "Python client": "reference/client.md",
    }


def _write_group(folder: Path, pages: Mapping[str, str]) -> None:
    """Write pages by name; the one named index lists the others in the navigation."""
    folder.mkdir(parents=True)
    others = {
        text.partition("\n")[0].removeprefix("# "): f"{name}.md" for name, text in pages.items() if name != "index"
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    with (folder / "index.md").open("a", encoding="utf-8") as file:
        file.write(_render_toctree(others))


def _render_toctree(pages: Mapping[str, str], caption: str = "") -> str:
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return f"\n```{{toctree}}\n{options}\n" + "".join(f"{name} <{path}>\n" for name, path in pages.items()) + "```\n"


def _copy(path: Path, folder: Path) -> None:
    copy = folder / path.relative_to(ROOT)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)


if __name__ == "__main__":
    main()
