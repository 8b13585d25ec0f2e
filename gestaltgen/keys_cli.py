"""`gestaltgen keys …`: who may use the service."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from api.access import ApiKey, ApiKeys, Scope
from api.database import connect
from api.settings import Settings

app = typer.Typer(
    help="API keys of the service: make, list and revoke them. They are stored hashed, and shown once.",
    no_args_is_help=True,
)
_console = Console(highlight=False)
_SPAN: Final = re.compile(r"(\d{1,5})([hdwy])")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}

State = Annotated[
    Path | None,
    typer.Option(help="The service's state folder; unset: GESTALTGEN_STATE, or ./state.", show_default=False),
]


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose objects it opens, as genetics-lab.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it is good for; repeatable. Unset: image-sets.")
    ] = None,
    expires: Annotated[str, typer.Option(help="After so long: 12h, 90d, 8w, 1y; never.")] = "90d",
    state: State = None,
) -> None:
    """Make a key. It is printed once, to standard output; only its hash is kept.

    The running service knows it at once.

    Example: gestaltgen keys create genetics-lab --scope image-sets --scope photos --expires 1y
    """
    secret, key = _keys(state).create(owner, scope or [Scope.IMAGE_SETS], _end(expires))
    until = f"until {key.expires:%Y-%m-%d}" if key.expires else "for ever"
    Console(stderr=True, highlight=False).print(
        f"key {key.id} of {owner} for {', '.join(key.scopes)}, {until}. Keep it; it cannot be shown again:"
    )
    typer.echo(secret)


@app.command(name="list")
def list_keys(state: State = None) -> None:
    """Every key: its id, owner, scopes and end; not the key itself."""
    table = Table(box=None, pad_edge=False)
    for title in ("id", "owner", "scopes", "made", "until", "state"):
        table.add_column(title)
    for key in _keys(state).every():
        until = "for ever" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
        table.add_row(key.id, key.owner, ", ".join(key.scopes), f"{key.created:%Y-%m-%d}", until, _state_of(key))
    _console.print(table)


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Id of the key, as `list` shows it.")], state: State = None) -> None:
    """End a key at once."""
    _keys(state).revoke(key)
    _console.print(f"key {key} is revoked")


def _keys(state: Path | None) -> ApiKeys:
    return ApiKeys(connect(state or Settings().state))


def _state_of(key: ApiKey) -> str:
    if key.revoked is not None:
        return "revoked"
    return "good" if key.good_at(datetime.now(UTC)) else "over"


def _end(text: str) -> datetime | None:
    if text == "never":
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r}; expected a number and h, d, w or y, as 90d, or never", param_hint="--expires"
        )
    try:
        return datetime.now(UTC) + timedelta(hours=int(found[1]) * _HOURS[found[2]])
    except OverflowError as error:
        raise typer.BadParameter(
            f"{text!r} is after the year 9999; expected less, or never", param_hint="--expires"
        ) from error
