"""Words of the pages in the language of the reader (gettext).

`words/studio.pot` lists all of them; a translation is a file `words/LANGUAGE.po` beside it. Without one the words are
English, as they stand in the code.
"""

from __future__ import annotations

import gettext
import re
from contextvars import ContextVar
from functools import cache
from importlib import resources
from io import BytesIO
from typing import Final

DEFAULT: Final = "en"
"""Language of the words in the code."""

FOLDER: Final = resources.files("api.studio") / "words"
_language: Final = ContextVar("language", default=DEFAULT)


def use_language(accept_language: str) -> None:
    """Choose the language of the current request.

    Args:
        accept_language: header of this name: languages with their weights, such as `de-CH, en;q=0.8`.
    """
    _language.set(choose_language(accept_language))


def current_language() -> str:
    """Return the language of the current request."""
    return _language.get()


def choose_language(accept_language: str) -> str:
    """Return the language that a reader likes best of those that there are."""
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language.split(",")[:20]):
        if found := re.fullmatch(r"\s*([A-Za-z]{2,3})(?:-\w+)*\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", part):
            liked.append((-float(found[2] or 1), place, found[1].lower()))
    return next((name for _, _, name in sorted(liked) if name in list_languages()), DEFAULT)


@cache
def list_languages() -> tuple[str, ...]:
    """List the languages that there are, the default first."""
    found = (one.name.removesuffix(".po") for one in FOLDER.iterdir() if one.name.endswith(".po"))
    return (DEFAULT, *sorted(found))


def translate(text: str) -> str:
    """Return a text in the language of the current request."""
    return load_translation(_language.get()).gettext(text)


def translate_plural(one: str, many: str, count: int) -> str:
    """Return the text for a number in the language of the current request."""
    return load_translation(_language.get()).ngettext(one, many, count)


@cache
def load_translation(language: str) -> gettext.NullTranslations:
    if language == DEFAULT:
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # only where a reader needs it
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def mark(text: str) -> str:
    """Mark a text for the catalogue of words; it is translated where it is shown."""
    return text
