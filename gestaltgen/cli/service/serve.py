"""`gestaltgen serve`: runs the service until it is stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from api.settings import Settings
from core.hardware import limit_arenas

if TYPE_CHECKING:
    from api.models.pool import Models


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
    role: Annotated[str | None, _option("role")] = None,
    storage: Annotated[str | None, _option("storage")] = None,
    weights: Annotated[Path | None, _option("weights")] = None,
    models: Annotated[Path | None, _option("models")] = None,
    without_keys: Annotated[bool | None, _option("without_keys", "--without-keys")] = None,
    precision: Annotated[str | None, _option("precision")] = None,
    device: Annotated[str | None, _option("device")] = None,
    threads: Annotated[int | None, _option("threads")] = None,
    log_format: Annotated[str | None, _option("log_format")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
) -> None:
    """Serve image sets and edits over REST. Options override environment variables; docs/service.md lists all settings.

    Clients need a key: `gestaltgen keys create OWNER`. To try it on one machine: `gestaltgen serve --without-keys`.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = _build_settings(given)
    limit_arenas()
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(_load_models, settings)
        from gestaltgen.cli.service.server import serve_models  # the web framework, while the models are loaded

    serve_models(settings, loading)


def _load_models(settings: Settings) -> Models:
    """Open the models, and compile the default one by rendering an image."""
    from api.models.pool import open_models  # OpenVINO

    models = open_models(settings)
    with suppress(Exception):  # the worker finds it again and says what is wrong
        models.render_probe()
    return models


def _build_settings(given: dict[str, Any]) -> Settings:
    try:
        settings = Settings(**given)
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise typer.BadParameter("; ".join(found)) from error
    if settings.weights is not None and not settings.weights.is_file():
        raise typer.BadParameter(f"weights: {settings.weights} is not a file; expected a checkpoint")
    return settings
