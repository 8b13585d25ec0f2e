"""`gestaltgen demo`: start the service, ask it over HTTP for an image set of each kind, check and store the images."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

import weights as shipped
from core.errors import GestaltError
from core.progress import SILENT, Progress
from core.stop_signals import interrupt_on_terminate
from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.local_service import call_in_thread, run_local_service
from gestaltgen_client import Client, ImageSet, Item, ServiceError

NOTICE: Final = (
    "Phantoms are not patients. These faces are synthetic, drawn by a network that has only seen drawings, "
    "and are no basis for a diagnosis."
)
_SET_S: Final = 300.0
_console = make_console()


class DemoError(GestaltError):
    """The service delivered something else than the demonstration asked for."""


@dataclass(frozen=True)
class Outcome:
    """Result for one kind of image set.

    Args:
        name: the kind.
        seconds: time between the request and the last verified image.
        sheet: contact sheet.
    """

    name: str
    image_set: ImageSet
    seconds: float
    sheet: Path


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the images and contact sheets.")] = Path("demo"),
    people: Annotated[int, typer.Option(min=1, max=1000, help="People per condition.")] = 4,
    weights: Annotated[Path | None, typer.Option(help="Checkpoint; default: the shipped one.")] = None,
) -> None:
    """Start the service, ask for an image set of each kind over HTTP, check every image, and store them.

    Takes well under a minute on a laptop without a GPU.
    """
    _console.print(f"[bold]gestaltgen demo[/]  {NOTICE}\n")
    progress = ConsoleProgress(_console)
    with interrupt_on_terminate():
        try:
            with run_local_service(weights or shipped.default(), progress=progress) as service:
                outcomes = call_in_thread(lambda: run(service, out, people=people, progress=progress))
        except (GestaltError, ServiceError, TimeoutError, OSError) as error:
            _console.print("\n[red]The demo failed:[/]", end=" ")
            _console.print(str(error), markup=False, soft_wrap=True)  # a path that is wrapped cannot be copied
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            _console.print("\nInterrupted; the service is stopped.")
            raise typer.Exit(130) from None
    _report(outcomes, out)


def run(service: str, out: Path, *, people: int, progress: Progress = SILENT) -> list[Outcome]:
    """Ask a service for an image set of each kind, check the images and their labels, and store them.

    Args:
        service: URL.
        out: folder for the images and contact sheets.
        people: people for each condition.

    Raises:
        DemoError: an image or a label is not what was asked for.
        ServiceError: the service refused or failed.
    """
    with Client(service) as client:
        conditions = [condition["name"] for condition in client.conditions()["conditions"]]
        calibrated = client.models()[0]["calibrated_ages"]
        fewer = -(-people // 2)
        sets: dict[str, dict[str, Any]] = {
            "age_progression": {
                "conditions": conditions,
                "count": people,
                "age_steps": "calibrated" if calibrated else "published",
            },
            "age_related": {"conditions": conditions, "count": fewer},
            "unrelated": {"conditions": conditions, "count": fewer},
            "blended": {"count": 1, "blend": 0.55},
            "average": {"conditions": conditions},
        }
        outcomes = [_make_set(client, kind, fields, out, conditions, progress) for kind, fields in sets.items()]
        again = client.create(kind="age_progression", **sets["age_progression"])
        if again.id != outcomes[0].image_set.id or again.state != "done":
            raise DemoError("the same request did not give the same image set; please report this")
        return outcomes


def _make_set(
    client: Client, kind: str, fields: Mapping[str, Any], out: Path, conditions: list[str], progress: Progress
) -> Outcome:
    """Ask for one image set, check it, and store it."""
    began = time.perf_counter()
    image_set = client.create(kind=kind, **fields)
    with progress.bar(kind.replace("_", " "), image_set.total) as show:
        image_set = image_set.wait(lambda now: show(now.done), timeout_s=_SET_S)
    items = list(image_set)
    seconds = time.perf_counter() - began
    _check_labels(kind, items, image_set, conditions)
    folder = image_set.download(out / kind)
    sheet = out / f"{kind}.png"
    sheet.write_bytes(image_set.sheet())
    return Outcome(folder.name, image_set, seconds, sheet)


def _check_labels(kind: str, items: list[Item], image_set: ImageSet, conditions: list[str]) -> None:
    """Check that the labels are those that were asked for. The client has verified the sha256 of every image.

    Raises:
        DemoError: a label is wrong, or an image is missing or blank.
    """
    wrong = None
    if [item.index for item in items] != list(range(len(image_set))):
        wrong = "images are missing or out of order"
    for item in items:
        row = item.row
        if len(item.soft_label) != len(conditions) or abs(sum(item.soft_label) - 1) > 1e-6:
            wrong = f"image {item.index} has the soft label {item.soft_label}"
        elif conditions[item.class_index] != row["condition"]:
            wrong = f"image {item.index} has class {item.class_index} but condition {row['condition']}"
        elif kind != "blended" and item.soft_label[item.class_index] != 1:
            wrong = f"image {item.index} is not labelled {row['condition']} alone"
        elif kind == "blended" and abs(item.soft_label[item.class_index] - 0.55) > 1e-6:
            wrong = f"image {item.index} has {item.soft_label[item.class_index]} of its condition, not 0.55"
        elif item.array().std() == 0:
            wrong = f"image {item.index} is blank"
    if wrong is not None:
        raise DemoError(f"{kind}: {wrong}; please report this")


def _report(outcomes: list[Outcome], out: Path) -> None:
    """Print a table of the image sets, and write OUT/demo.json."""
    table = Table(box=None, pad_edge=False)
    for title in ("kind", "images", "seconds", "images/s", "contact sheet"):
        table.add_column(title, justify="left" if title in ("kind", "contact sheet") else "right", no_wrap=True)
    for outcome in outcomes:
        images = len(outcome.image_set)
        rate = f"{images / outcome.seconds:.0f}"
        table.add_row(outcome.name, str(images), f"{outcome.seconds:.1f}", rate, str(outcome.sheet))
    _console.print(table)
    images = sum(len(outcome.image_set) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    _console.print(
        f"\n{images} images, every checksum and label verified, {images / seconds:.0f} images/s over HTTP. "
        f"Asked again, the same request gave the same set.\n"
    )
    _console.print(f"Look at [bold]{out / 'age_progression.png'}[/]; images and manifests are in {out}/<kind>/.")
    _console.print(NOTICE)
    (out / "demo.json").write_text(
        json.dumps({o.name: {"image_set": o.image_set.id, "images": len(o.image_set)} for o in outcomes}, indent=1)
    )
