"""`gestaltgen serve`: the service, until it is told to stop."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from pydantic import ValidationError

import weights as shipped
from api.app import create_app
from api.settings import Settings

_LOG_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


def _option(setting: str, flag: str | None = None) -> Any:
    about = Settings.model_fields[setting]
    shown = "unset" if about.default is None else str(about.default)
    return typer.Option(
        *([flag] if flag else []),
        help=about.description,
        envvar=f"GESTALTGEN_{setting.upper()}",
        show_default=shown,
    )


def serve(
    host: Annotated[str | None, _option("host")] = None,
    port: Annotated[int | None, _option("port")] = None,
    state: Annotated[Path | None, _option("state")] = None,
    weights: Annotated[Path | None, _option("weights")] = None,
    precision: Annotated[str | None, _option("precision")] = None,
    device: Annotated[str | None, _option("device")] = None,
    threads: Annotated[int | None, _option("threads")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
) -> None:
    """Serve image sets over REST. Options win over variables; docs/service.md lists every setting.

    There is no authentication: keep it on loopback or a private network.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = _settings(given)
    logging.basicConfig(level=settings.log_level.upper(), format=_LOG_FORMAT)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=settings.log_level == "debug",
        timeout_graceful_shutdown=10,
    )


def _settings(given: dict[str, Any]) -> Settings:
    try:
        settings = Settings(**given)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
        raise typer.BadParameter("; ".join(found)) from error
    if settings.weights is None:
        shipped.default()  # refuses here what the worker would only log
    elif not settings.weights.is_file():
        raise typer.BadParameter(f"weights: {settings.weights} is not a file; expected a checkpoint")
    return settings


if __name__ == "__main__":
    typer.run(serve)
