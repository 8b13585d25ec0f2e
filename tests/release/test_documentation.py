"""The pages of the documentation: their links hold, the page of contents lists all of them, references are complete."""

from __future__ import annotations

from pathlib import Path

from release.documentation.__main__ import CONTENTS, ROOT, copy_pages, list_pages, write_index
from release.documentation.commands import write_command_page
from release.documentation.links import find_anchors, find_links, list_broken_links
from release.documentation.markdown import escape, render_table
from release.documentation.rest import write_route_pages

FOLDERS = ("", "docs", "docs/tutorials", "weights", "client", "faces/heads", ".github/ISSUE_TEMPLATE")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    assert len(PAGES) > 40
    assert list_broken_links(PAGES) == []


def test_broken_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `first` heading, twice\n\n# A first heading twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-first-heading-twice-1) ![b](none.png) [c](other.md#second) [d](https://a.example/b.md)\n\n"
        "`[e](none.md)`\n\n```\n[f](none.md)\n```\n\n| [g](#none) |\n|---|\n| [h](missing.md) |\n"
    )
    broken = [line.removeprefix(f"{page}: ").partition(" leads")[0] for line in list_broken_links([page])]
    assert broken == ["none.png", "other.md#second", "#none", "missing.md"]


def test_anchors_are_those_of_git_hosts() -> None:
    assert find_anchors("# What's *new*, in 1.2?\n\n## `--count N` of `gestaltgen generate`\n") == {
        "whats-new-in-12",
        "--count-n-of-gestaltgen-generate",
    }


def test_links_to_other_hosts_are_not_followed() -> None:
    assert find_links("[a](https://a.example) <mailto:a@b.example> [b](c%20d.md#e)") == ["c d.md#e"]


def test_the_page_of_contents_lists_every_page_once() -> None:
    listed = [page for pages in list_pages((ROOT / CONTENTS).read_text()).values() for page in pages.values()]
    assert len(listed) == len(set(listed))
    expected = {page.relative_to(ROOT).as_posix() for page in PAGES if ".github" not in page.parts}
    assert set(listed) == expected - {CONTENTS.as_posix()}


def test_pages_are_copied_with_the_files_that_they_offer(tmp_path: Path) -> None:
    copy_pages(["docs/service.md"], tmp_path)
    assert (tmp_path / "docs" / "grafana.json").is_file()
    assert (tmp_path / "compose.yaml").is_file()


def test_the_first_page_leads_to_pages_from_the_root(tmp_path: Path) -> None:
    contents = "# A\n\n## Reference\n\n- [B](b.md): b\n- [C](../c.md): c, see [d](https://d.example)\n"
    (tmp_path / "README.md").write_text("[all](docs/README.md)\n")
    write_index(tmp_path, contents, {"E": "reference/e.md"}, {"Reference": {"B": "docs/b.md", "E": "reference/e.md"}})
    assert find_links((tmp_path / "index.md").read_text()) == ["docs/b.md", "c.md", "reference/e.md"]
    assert "\n:caption: Reference\n\nB <docs/b.md>\nE <reference/e.md>\n" in (tmp_path / "index.md").read_text()
    assert (tmp_path / "README.md").read_text() == "[all](index.md)\n"


def test_text_that_looks_like_markup_is_escaped_outside_of_code() -> None:
    assert escape("FILE.<ext>, 2*x, `<a>` [default: 1]") == r"FILE.\<ext>, 2\*x, `<a>` \[default: 1\]"
    assert render_table(("a", "b"), [("x|y", "two\nlines")]) == "| a | b |\n| --- | --- |\n| x\\|y | two lines |"
    assert render_table(("a",), []) == ""


def test_a_group_of_commands_is_one_page_with_all_options() -> None:
    page = write_command_page("tenants")
    assert page.startswith("# gestaltgen tenants\n\n")
    assert "\n## gestaltgen tenants set\n" in page
    assert "\n```\ngestaltgen tenants set [OPTIONS] {owner}\n```\n" in page
    assert "| `owner <str>` | " in page
    assert "--help" not in page


def test_every_route_has_a_place_and_says_its_scope() -> None:
    pages = dict(write_route_pages())
    assert {"index", "image-sets", "photographs", "bodies-and-answers"} <= set(pages)
    assert "```\nPOST /v1/photos\n```" in pages["photographs"]
    sent = pages["photographs"].partition("\n```\nPOST /v1/photos\n```")[2].partition("\n## ")[0]
    assert "Scope of the key: `photos`." in sent
    assert "| `consent-reference` (required) | header | string, at least 1 characters, at most 200 characters |" in sent
    assert "Scope of the key: `admin`." in pages["administration"]
    assert "## ProblemOut" in pages["bodies-and-answers"]
