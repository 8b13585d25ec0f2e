"""Corrections of what typer shows in help: the types of options, and the breaks of lines in descriptions."""

from __future__ import annotations

import inspect
import re
from typing import Any

from typer.core import TyperGroup


def tidy_help(command: Any) -> None:
    """Change what the help pages of a command, and of the commands below it, show.

    A flag, which takes no value, has no type. An option that may be repeated or has a range has the type of one value.
    The paragraphs of the description are wrapped at the width of the terminal, not where the source breaks its lines.
    """
    command.help = _unwrap_paragraphs(command.help)
    context = command.context_class(command)
    for parameter in command.get_params(context):
        if parameter.param_type_name == "option" and parameter.metavar is None:
            parameter.metavar = _describe_value(parameter, context)
    if isinstance(command, TyperGroup) and isinstance(command.commands, dict):  # others load their commands later
        for below in command.commands.values():
            tidy_help(below)


def _describe_value(option: Any, context: Any) -> str | None:
    """Return what stands for the value of an option, or None for what typer shows."""
    if option.is_flag:
        return ""
    if not hasattr(option, "display_type"):  # in old versions of typer
        return None
    shown: str = option.display_type(context)
    return re.sub(r"^<list\[(.*)\]>$", r"<\1>", shown).replace(" range>", ">")  # the range itself is shown beside it


def _unwrap_paragraphs(text: str | None) -> str | None:
    """Join the lines of each paragraph. A paragraph with an indented line, such as a list, keeps its lines."""
    if text is None:
        return None
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        part if re.search(r"^[\s\b]", part, re.MULTILINE) else " ".join(part.split()) for part in paragraphs
    )
