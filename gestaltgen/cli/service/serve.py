"""`gestaltgen serve`: runs the service until it is stopped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from core.hardware import limit_arenas
from gestaltgen.cli.service.service_options import build_settings, load_models, setting_option


def serve(
    host: Annotated[str | None, setting_option("host")] = None,
    port: Annotated[int | None, setting_option("port")] = None,
    state: Annotated[Path | None, setting_option("state")] = None,
    role: Annotated[str | None, setting_option("role")] = None,
    storage: Annotated[str | None, setting_option("storage")] = None,
    weights: Annotated[Path | None, setting_option("weights")] = None,
    models: Annotated[Path | None, setting_option("models")] = None,
    without_keys: Annotated[bool | None, setting_option("without_keys", "--without-keys")] = None,
    precision: Annotated[str | None, setting_option("precision")] = None,
    device: Annotated[str | None, setting_option("device")] = None,
    threads: Annotated[int | None, setting_option("threads")] = None,
    log_format: Annotated[str | None, setting_option("log_format")] = None,
    log_level: Annotated[str | None, setting_option("log_level")] = None,
) -> None:
    """Serve image sets and edits over REST. Options override environment variables; docs/service.md lists all settings.

    Clients need a key: `gestaltgen keys create OWNER`. To try it on one machine: `gestaltgen serve --without-keys`.
    """
    settings = build_settings(locals())
    limit_arenas()
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_models, settings)
        from gestaltgen.cli.service.server import serve_models  # the web framework, while the models are loaded

    serve_models(settings, loading)
