"""`make words`: the list of all words of the studio, from which translations are made.

A translation is a copy of `api/studio/words/studio.pot` as `LANGUAGE.po` beside it, with the words in that language.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from core.atomic_files import write_file

STUDIO: Final = Path(__file__).parents[1] / "api" / "studio"
LIST: Final = STUDIO / "words" / "studio.pot"

_METHODS: Final = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
_OPTIONS: Final = {"**/templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}
_FUNCTIONS: Final = {
    "_": None,
    "_mark": None,
    "gettext": None,
    "ngettext": (1, 2),
    "translate_plural": (1, 2),
    "_mark_plural": (1, 2),
}


def list_words() -> bytes:
    """Return the list of all words of the studio as a gettext template, with the files in which they stand."""
    catalog = Catalog(project="gestaltgen", copyright_holder="the gestaltgen authors", charset="utf-8")
    for file, _, message, comments, context in extract_from_dir(
        STUDIO, _METHODS, _OPTIONS, keywords=_FUNCTIONS, comment_tags=()
    ):
        catalog.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    written = BytesIO()
    write_po(written, catalog, sort_output=True, include_lineno=False, omit_header=True, width=120)
    return b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n' + written.getvalue()


if __name__ == "__main__":
    write_file(LIST, list_words())
