"""`gestaltgen tenants …`: limits of each owner of keys."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer
from rich.table import Table

from api.access.tenants import TenantLimits, Tenants
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.service.state_option import State, open_database

app = typer.Typer(
    help="Set and show the limits of each owner of keys. An owner without limits has those of the service. Changes "
    "take effect after a second.",
    no_args_is_help=True,
)
_console = make_console()


@app.command(name="set")
def set_limits(
    owner: Annotated[str, typer.Argument(help="Owner of keys, such as genetics-lab.")],
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests that one process answers; further ones get 429.")
    ] = None,
    images_waiting: Annotated[
        int | None, typer.Option(min=1, help="Images in jobs that wait or run; requests for more get 429.")
    ] = None,
    stored_mb: Annotated[
        int | None, typer.Option(min=1, help="Size of all objects of the owner; requests that would add to it get 403.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Generator that the owner can use; repeatable. The first serves requests that name none."),
    ] = None,
    photo_ttl_s: Annotated[
        int | None, typer.Option(min=60, help="Longest time for which their photographs and edits are kept.")
    ] = None,
    state: State = None,
) -> None:
    """Set all limits of an owner. An option that is not given means no limit.

    Example: gestaltgen tenants set genetics-lab --images-waiting 100000 --requests-per-minute 600 --photo-ttl-s 86400
    """
    models = None if model is None else tuple(dict.fromkeys(model))
    limits = TenantLimits(requests_per_minute, images_waiting, stored_mb, models, photo_ttl_s)
    if limits == TenantLimits():
        raise ConfigError(f"no limit is given; give one, or remove all of {owner}: gestaltgen tenants unset {owner}")
    with open_database(state) as database:
        Tenants(database.engine).set(owner, limits)
    _console.print(f"{owner}: {_format_limits(limits)}")


@app.command()
def unset(owner: Annotated[str, typer.Argument(help="Owner of keys.")], state: State = None) -> None:
    """Remove all limits of an owner; those of the service apply."""
    with open_database(state) as database:
        tenants = Tenants(database.engine)
        if owner not in tenants.list_all():
            raise ConfigError(f"{owner!r} has no limits of their own; `gestaltgen tenants list` shows who has")
        tenants.set(owner, TenantLimits())
    _console.print(f"{owner} has the service's limits")


@app.command(name="list")
def list_limits(state: State = None) -> None:
    """List the owners that have limits of their own."""
    table = Table("owner", "limits", box=None, pad_edge=False)
    with open_database(state) as database:
        for owner, limits in Tenants(database.engine).list_all().items():
            table.add_row(owner, _format_limits(limits))
    _console.print(table)


def _format_limits(limits: TenantLimits) -> str:
    named = ((field.name.replace("_", " "), getattr(limits, field.name)) for field in fields(limits))
    shown = ((name, ", ".join(value) if isinstance(value, tuple) else f"{value:,}") for name, value in named if value)
    return "; ".join(f"{name} {value}" for name, value in shown)
