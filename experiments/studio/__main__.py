"""`python -m experiments.studio`: screenshots of every page of the studio, and what its pages cost."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright
from rich.console import Console

from core.errors import ConfigError
from experiments.processes import run_app
from experiments.studio.examples import fill_service
from experiments.studio.measurements import measure_studio
from experiments.studio.screenshots import take_screenshots
from experiments.studio.service import run_studio, train_models
from faces.images import encode_png
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from gestaltgen_client import Client

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False, no_args_is_help=True)

ModelsOption = Annotated[Path, typer.Option(help="Folder of models that are trained once, in minutes.")]
MODELS = Path("runs/studio")


@app.command()
def screenshots(
    out: Annotated[Path, typer.Option(help="Folder of the pictures.")] = Path("docs/studio"),
    models: ModelsOption = MODELS,
) -> None:
    """Fill a service with an example of each thing, and take a picture of every page at two widths."""
    train_models(models)
    with run_studio(models) as service, Client(service.url, key=service.key) as client, sync_playwright() as playwright:
        faces = [encode_png(draw_phantom(nth_phantom(3, n), 256).image) for n in range(2)]
        addresses = fill_service(client, faces)
        with playwright.chromium.launch(executable_path=_find_browser()) as browser:
            for path in take_screenshots(browser, service, addresses, out):
                _console.print(str(path), markup=False)


@app.command()
def measure() -> None:
    """Measure clicks and seconds to the first picture, and the first byte of pages."""
    with (
        run_studio() as service,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=_find_browser()) as browser,
    ):
        for line in measure_studio(browser, service):
            _console.print(line, markup=False)


def _find_browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise ConfigError("there is no Chromium; expected chromium on the PATH: apt-get install chromium")


if __name__ == "__main__":
    run_app(app)
