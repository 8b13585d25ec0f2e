"""Words of the studio: all of them can be translated, and a translation is a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from api.studio import pages, words
from release.words import LIST, STUDIO, list_words

TEMPLATES = sorted((STUDIO / "templates").rglob("*.html"))
READ = re.compile(r'\b(?:alt|aria-label|title|placeholder|data-copied)="([^"]*[A-Za-z]{2}[^"]*)"')
"""Attributes that a person reads."""

NAMES = {
    "gestaltgen",
    "curl",
    "Python",
    "PDF",
    "A4",
    "CSV",
    "ZIP",
    "SHA-256",
    "PNG",
    "WebP",
    "JPEG",
    "Moodle",
    "QTI",
    "HPO",
    "OMIM",
    "JSON",
}
"""Words that are the same in every language."""


def untranslated(template: Path) -> Iterator[str]:
    """Text of a template that stands neither in `_(...)` nor in a `trans` block."""
    inside = False
    text = ""
    for _, kind, value in jinja2.Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).lex(template.read_text()):
        if kind == "name" and value in ("trans", "endtrans"):
            inside = value == "trans"
        elif kind == "data" and not inside:
            text += value
        elif kind in ("variable_begin", "block_begin"):
            text += "\x00"  # an expression, which may stand within a tag
    yield from READ.findall(text)
    shown = re.sub(
        r"<(script|style|code|pre)\b.*?</\1>|<!--.*?-->|<[^>]*>|&\w+;|\s[a-z-]+=\"[^\"]*\"", "\n", text, flags=re.DOTALL
    )
    yield from (word for word in re.findall(r"[A-Za-z][A-Za-z0-9-]+", shown) if word not in NAMES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_can_be_translated(template: Path) -> None:
    assert not list(untranslated(template))


def test_the_list_of_words_is_up_to_date() -> None:
    assert LIST.read_bytes() == list_words(), "run `make words`"


def test_a_translation_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = LIST.read_text()
    (tmp_path / "de.po").write_text(
        listed.replace('msgid "Sign in"\nmsgstr ""', 'msgid "Sign in"\nmsgstr "Anmelden"')
        .replace(
            'msgid_plural "%(count)d days"\nmsgstr[0] ""', 'msgid_plural "%(count)d days"\nmsgstr[0] "%(count)d Tag"'
        )
        .replace('msgstr[0] "%(count)d Tag"\nmsgstr[1] ""', 'msgstr[0] "%(count)d Tag"\nmsgstr[1] "%(count)d Tage"')
    )
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    for function in (words.list_languages, words.load_translation):
        function.cache_clear()
    try:
        words.use_language("fr, de-CH;q=0.9, en;q=0.8")
        assert words.current_language() == "de"
        assert words.translate("Sign in") == "Anmelden"
        assert words.translate("Sign out") == "Sign out"
        assert pages.format_duration(3 * 86_400) == "3 Tage"
    finally:
        words.use_language("")
        for function in (words.list_languages, words.load_translation):
            function.cache_clear()


@pytest.mark.parametrize("header", ["", "*", "xx", "en-GB", "de;q=abc", ",,,;;", "fr;q=0.1"])
def test_without_a_translation_words_are_english(header: str) -> None:
    assert words.choose_language(header) == words.DEFAULT


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1_500, "1.5 kB"), (25e6, "25 MB"), (3.2e9, "3.2 GB")],
)
def test_sizes_are_written_for_people(number: float, written: str) -> None:
    assert pages.format_bytes(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.2, "less than a second"), (1, "1 second"), (90, "90 seconds"), (150, "2 minutes"), (2 * 86_400, "2 days")],
)
def test_times_are_written_for_people(seconds: float, written: str) -> None:
    assert pages.format_duration(seconds) == written
