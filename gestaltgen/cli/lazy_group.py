"""A group of commands whose modules are imported when one of them runs, so that `--help` answers at once."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.help_pages import tidy_help

Command: TypeAlias = TyperCommand | TyperGroup


@dataclass(frozen=True)
class LazyCommand:
    """A command, or a group of commands, that is not imported yet.

    Attributes:
        module: the module that defines it.
        attribute: the name of its function or its `typer.Typer` in that module.
        help: the first sentence of its own help, for the list of commands.
        panel: heading under which it is listed; None takes "Commands".
    """

    module: str
    attribute: str
    help: str
    panel: str | None = None

    def load(self, name: str) -> Command:
        """Import the module and build the command."""
        target = getattr(importlib.import_module(self.module), self.attribute)
        if isinstance(target, typer.Typer):
            command: Any = get_group(target)
        else:
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(name=name)(target)
            command = get_command(single)
        command.name = name
        tidy_help(command)
        return command  # type: ignore[no-any-return]


class LoadingCommands(Mapping[str, Any]):
    """The commands of a group by name; looking one up imports its module, listing the names does not."""

    def __init__(self, table: Mapping[str, LazyCommand]) -> None:
        self._table = table
        self._loaded: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._loaded:
            self._loaded[name] = self._table[name].load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class LazyGroup(TyperGroup):
    """A group of commands that are declared in a table. Subclasses set `table`."""

    table: ClassVar[Mapping[str, LazyCommand]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = LoadingCommands(self.table)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of the table."""
        return list(self.table)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group with the lines of the table, without importing a command."""
        listed = TyperGroup(
            name=self.name,
            commands={
                name: TyperCommand(name, help=entry.help, rich_help_panel=entry.panel)
                for name, entry in self.table.items()
            },
            rich_markup_mode=self.rich_markup_mode,
            params=self.params,
            help=self.help,
            epilog=self.epilog,
            subcommand_metavar=self.subcommand_metavar,
        )
        tidy_help(listed)
        listed.format_help(ctx, formatter)


def make_group(commands: Mapping[str, LazyCommand], about: str) -> typer.Typer:
    """Make a group of commands below `gestaltgen`, which reports errors as the whole command line does.

    Args:
        about: its help.
    """

    class Commands(ReportingGroup, LazyGroup):
        table = commands

    group = typer.Typer(cls=Commands, no_args_is_help=True, help=about)
    group.callback()(lambda: None)
    return group
