"""`gestaltgen keys …`: API keys, the server's encryption key, and a trial certificate for signing."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from api.access.api_keys import ApiKey, ApiKeys, Scope
from api.encryption.key_store import SubjectKeys
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.service.state_option import State, open_database

app = typer.Typer(
    help="Make, list and revoke the API keys of the service; they are stored hashed, and shown once. `rotate`: a "
    "new key for what is encrypted. `c2pa`: a certificate to try signatures with.",
    no_args_is_help=True,
)
_console = make_console()
_SPAN: Final = re.compile(r"([1-9]\d{0,4})([hdwy])")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Owner of the objects that the key opens, such as genetics-lab.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Permission of the key; repeatable. Default: image-sets.")
    ] = None,
    expires: Annotated[str, typer.Option(help="Time until it expires: 12h, 90d, 8w, 1y; or never.")] = "90d",
    state: State = None,
) -> None:
    """Create a key. It is printed once, to standard output; only its hash is stored.

    A running service accepts it at once.

    Example: gestaltgen keys create genetics-lab --scope image-sets --scope photos --expires 1y
    """
    with open_database(state) as database:
        secret, key = ApiKeys(database.engine).create(owner, scope or [Scope.IMAGE_SETS], _parse_end(expires))
    until = f"until {key.expires:%Y-%m-%d}" if key.expires else "for ever"
    make_console(stderr=True).print(
        f"key {key.id} of {owner} for {', '.join(key.scopes)}, {until}. Keep it; it cannot be shown again:"
    )
    typer.echo(secret)


@app.command(name="list")
def list_keys(state: State = None) -> None:
    """List all keys: id, owner, scopes and expiry date, not the keys themselves."""
    table = Table(box=None, pad_edge=False)
    for title in ("id", "owner", "scopes", "made", "until", "state"):
        table.add_column(title)
    with open_database(state) as database:
        keys = ApiKeys(database.engine).list_all()
    for key in keys:
        until = "for ever" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
        table.add_row(key.id, key.owner, ", ".join(key.scopes), f"{key.created:%Y-%m-%d}", until, _describe_state(key))
    _console.print(table)


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="Id of the key, as `list` shows it.")], state: State = None) -> None:
    """Revoke a key at once."""
    with open_database(state) as database:
        ApiKeys(database.engine).revoke(key)
    _console.print(f"key {key} is revoked")


@app.command()
def c2pa(
    out: Annotated[Path, typer.Option(help="Folder for certificate.pem, key.pem and authority.pem.")],
    name: Annotated[str, typer.Option(help="Name of the signer that viewers show.")] = "A laboratory",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days for which the certificate is valid.")] = 365,
) -> None:
    """Create a certificate and a key for trying signed provenance (C2PA). Viewers will call it untrusted.

    The authority that issues the certificate is created for it alone, and its key is not stored.

    Example: gestaltgen keys c2pa --out c2pa --name "Genetics laboratory"
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from api.provenance.trial_authority import LONGEST_NAME, Authority

    if not 1 <= len(name) <= LONGEST_NAME:
        raise typer.BadParameter(f"{len(name)} characters; expected 1 to {LONGEST_NAME}", param_hint="--name")
    key, authority = ec.generate_private_key(ec.SECP256R1()), Authority(name, days)
    ends = authority.certificate.not_valid_after_utc
    certificate = authority.issue("gestaltgen", key.public_key(), ends)
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    out.mkdir(parents=True, exist_ok=True)
    _write_new(out / "key.pem", key.private_bytes(pem, *plain), 0o600)
    _write_new(out / "certificate.pem", certificate.public_bytes(pem), 0o644)
    _write_new(out / "authority.pem", authority.certificate.public_bytes(pem), 0o644)
    _console.print(f"good until {ends:%Y-%m-%d}, and untrusted by every viewer that is not given authority.pem:")
    for setting, file in (("CERTIFICATE", "certificate"), ("KEY", "key"), ("ANCHORS", "authority")):
        typer.echo(f"GESTALTGEN_C2PA_{setting}={out.resolve() / file}.pem")


@app.command()
def rotate(state: State = None) -> None:
    """Create a new server key, and encrypt the keys of all photographs and survey packs with it.

    The service may run meanwhile, and uses the new key at once. The previous key is kept, so that nothing that is being
    written is lost; earlier ones are deleted. Rotate twice to get rid of a key that others have seen.

    Example: gestaltgen keys rotate
    """
    with open_database(state) as database:
        keys = SubjectKeys.open(database, Settings().server_keys)
        moved = keys.rotate()
    _console.print(f"{keys.server.location} has a new key, which now wraps those of {moved} photographs and packs")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists, and is not overwritten; expected a folder without it: take another"
        ) from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _describe_state(key: ApiKey) -> str:
    if key.revoked is not None:
        return "revoked"
    return "good" if key.is_valid_at(datetime.now(UTC)) else "over"


def _parse_end(text: str) -> datetime | None:
    if text == "never":
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r}; expected a number above 0 and h, d, w or y, as 90d, or never", param_hint="--expires"
        )
    try:
        return datetime.now(UTC) + timedelta(hours=int(found[1]) * _HOURS[found[2]])
    except OverflowError as error:
        raise typer.BadParameter(
            f"{text!r} is after the year 9999; expected less, or never", param_hint="--expires"
        ) from error
