"""Options of the commands that run the service, settings from them, and the models that these name."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError

from api.settings import Settings

if TYPE_CHECKING:
    from api.models.pool import Models


def setting_option(setting: str, flag: str | None = None, default: str | None = None) -> Any:
    """Return the option for a setting, which has the setting's description, default and environment variable.

    Args:
        setting: name of the setting.
        flag: name of the option, if it is not that of the setting.
        default: shown where the command has another one than the setting.
    """
    about = Settings.model_fields[setting]
    shown = about.default if default is None else default
    no_value = shown is None or shown is False
    return typer.Option(
        *([flag] if flag else []),
        help=about.description if no_value else f"{about.description} Default: {shown}.",
        envvar=f"GESTALTGEN_{setting.upper()}",
        show_default=False,
    )


def build_settings(given: dict[str, Any]) -> Settings:
    """Build the settings from options, and from the environment where an option is not given (None).

    Raises:
        typer.BadParameter: a value cannot be.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        found = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise typer.BadParameter("; ".join(found)) from error
    if settings.weights is not None and not settings.weights.is_file():
        raise typer.BadParameter(f"weights: {settings.weights} is not a file; expected a checkpoint")
    return settings


def load_models(settings: Settings) -> Models:
    """Open the models, and compile the default one by rendering an image."""
    from api.models.pool import open_models  # OpenVINO

    models = open_models(settings)
    with suppress(Exception):  # the worker finds it again and says what is wrong
        models.render_probe()
    return models
