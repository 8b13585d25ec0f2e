"""Reference of the command line in Markdown, one page for each command of `gestaltgen`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import typer
from typer.main import get_command

from gestaltgen.cli.main import COMMANDS, app
from release.documentation.markdown import escape, render_table

_PROGRAM: Final[Any] = get_command(app)


def write_command_pages() -> Iterator[tuple[str, str]]:
    """Yield name and Markdown text of the first page and of that of each command, in the order of `gestaltgen --help`.

    All modules of the command line are imported: this takes a while.
    """
    parts = ["# Command line", escape(_PROGRAM.help)]
    for panel, commands in groupby(COMMANDS.items(), key=lambda command: command[1].panel):
        rows = ((f"[{name}]({name}.md)", escape(entry.help)) for name, entry in commands)
        parts += [f"## {panel}", render_table(("command", "what it does"), rows)]
    yield "index", "\n\n".join(parts) + "\n"
    for name in COMMANDS:
        yield name, write_command_page(name)


def write_command_page(name: str) -> str:
    """Return the page of a command of `gestaltgen`, with the commands of its group below it."""
    context = typer.Context(_PROGRAM, info_name="gestaltgen")
    return "\n\n".join(_render_command(_PROGRAM.get_command(context, name), name, context, level=1)) + "\n"


def _render_command(command: Any, name: str, parent: Any, level: int) -> Iterator[str]:
    context = type(parent)(command, info_name=name, parent=parent)
    yield f"{'#' * level} {context.command_path}"
    yield _render_help(command.help or "")
    if hasattr(command, "commands"):
        for below in command.list_commands(context):
            yield from _render_command(command.get_command(context, below), below, context, level + 1)
        return
    yield f"```\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and "--help" not in parameter.opts:
            title = "argument" if parameter.param_type_name == "argument" else "option"
            group = getattr(parameter, "rich_help_panel", None)
            groups.setdefault(f"{title}: {group.lower()}" if group else title, []).append(record)
    for title, records in groups.items():
        yield render_table((title, "meaning"), ((f"`{name}`", escape(about)) for name, about in records))


def _render_help(text: str) -> str:
    """Return the help of a command; its paragraphs are Markdown already, and examples become blocks of code."""
    paragraphs = []
    for paragraph in text.replace("\b", "").split("\n\n"):
        label, _, example = " ".join(paragraph.split()).partition(": ")
        if label in ("Example", "Examples"):
            paragraphs.append(f"{label}:\n\n```\n{example}\n```")
        else:
            paragraphs.append(escape(paragraph.strip()))
    return "\n\n".join(paragraphs)
