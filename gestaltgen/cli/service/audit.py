"""`gestaltgen audit …`: shows the audit record of photographs and checks that it is intact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from api.encryption.key_store import load_or_create_secret
from api.operations.database import Database
from api.operations.state_folder import SECRET
from api.photographs.audit.entries import OUTCOMES, Head, Outcome, Purpose, redact_purpose
from api.photographs.audit.record import AuditRecord
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import progress_bar
from gestaltgen.cli.service.state_option import State, locate_service

app = typer.Typer(
    help="Show and verify the audit record: each access to a photograph and each erasure, in a chain that shows "
    "changes.",
    no_args_is_help=True,
)
_WIDTHS: Final = (9, 27, 7, 24, 32, 22, 0)


@app.command()
def verify(
    expect_head: Annotated[
        str | None,
        typer.Option(metavar="SEQ:HASH", help="A head that `head` printed before; the record may have grown since."),
    ] = None,
    state: State = None,
) -> None:
    """Check the whole chain. Exits with 1 and names the first faulty entry if one was changed, deleted or reordered.

    Entries that were cut off at the end, and a chain that was rebuilt, are found only with --expect-head and a head
    that was noted elsewhere.

    Example: gestaltgen audit verify --expect-head "$(cat /elsewhere/head)"
    """
    expected = None if expect_head is None else Head.parse(expect_head)
    with (
        _open_record(state) as (_, audit),
        progress_bar(make_console(stderr=True), "verifying", audit.head().seq) as show,
    ):
        head = audit.verify(expected, show)
    typer.echo(f"{head.seq:,} entries, none changed, missing or reordered; head {head}")


@app.command()
def head(state: State = None) -> None:
    """Print number and hash of the last entry. Note them where nobody who can change the record can change the note."""
    with _open_record(state) as (_, audit):
        typer.echo(audit.head())


@app.command()
def show(
    photo: Annotated[str | None, typer.Option(help="Only entries of the photograph with this id.")] = None,
    owner: Annotated[
        str | None, typer.Option(help="Only entries of this owner of keys; `service` for the service itself.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help=f"Only entries with this outcome: {', '.join(OUTCOMES)}.")] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="Only entries of photographs with this purpose, in the words in which it was sent."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only entries from this time (UTC) on."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, hashes included.")] = False,
    state: State = None,
) -> None:
    """Show entries in order: time, outcome, caller, photograph, purpose and action.

    Example: gestaltgen audit show --owner genetics-lab --since 2026-01-31
    """
    with _open_record(state) as (database, audit):
        found = audit.entries(
            photo=photo,
            owners=[owner] if owner else (),
            outcomes=[_parse_outcome(outcome)] if outcome else (),
            purpose=_parse_purpose(database, purpose) if purpose else None,
            since=since.replace(tzinfo=UTC) if since else None,
        )
        if not as_json:
            typer.echo(_format_line("seq", "at (UTC)", "outcome", "owner (key)", "photograph", "purpose", "action"))
        for one in found:
            who = f"{one.owner} ({one.key})"
            cells = (str(one.seq), one.at, one.outcome, who, one.photo, one.purpose, one.action)
            typer.echo(json.dumps(asdict(one)) if as_json else _format_line(*cells))


def _parse_outcome(text: str) -> Outcome:
    if text not in OUTCOMES:
        raise typer.BadParameter(f"{text!r}; expected one of {', '.join(OUTCOMES)}", param_hint="--outcome")
    return text


def _format_line(*cells: str) -> str:
    """Return a line of the table, which may be longer than the window: no id is cut."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _parse_purpose(database: Database, text: str) -> Purpose:
    """Return a purpose as the service records it.

    Raises:
        ConfigError: there is no secret, which the digest of a purpose needs.
    """
    if not (database.shared or (database.state / SECRET).exists()):
        raise ConfigError(
            f"{database.state / SECRET} does not exist; expected the service's: purposes are found by a keyed digest"
        )
    return redact_purpose(text, Settings().named_purposes, load_or_create_secret(database))


@contextmanager
def _open_record(state: Path | None) -> Iterator[tuple[Database, AuditRecord]]:
    """Open the database of the service and its record, and close both at the end of the block."""
    with closing(Database.at(*locate_service(state))) as database, closing(AuditRecord.find(database)) as audit:
        yield database, audit
