"""Service of its own for screenshots and measurements: the shipped weights, and models trained on phantoms."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import weights
from api.access.api_keys import ApiKeys, Scope
from api.operations.database import Database
from gestaltgen.local_service import start_service

OWNER: Final = "lab"

_CLINIC: Final = "--count 120 --condition Kabuki --condition unaffected"
_SYNDROME: Final = "--syndrome Kabuki --no-ancestry --flat --model neighbours --model hybrid --draws 1"
_FACES: Final = (
    "--count 280 --size 64 --seed 2701 --condition WS --condition 22q11DS --condition Kabuki --condition unaffected"
)
_CLASSIFIER: Final = (
    "--folds 2 --size 64 --set epochs=6 --set warmup_epochs=0 --set colour=0 --set shift=0.02 --set dropout=0.1 "
    "--set precision=float32"
)
"""Options of the commands by which `train_models` draws phantoms and trains."""


@dataclass(frozen=True)
class StudioService:
    """A running service, and a key of it for everything."""

    url: str
    key: str


@contextmanager
def run_studio(models: Path | None = None) -> Iterator[StudioService]:
    """Start a service with a new key, and stop it at the end.

    Args:
        models: folder that `train_models` has filled; None: no classifier and no model of a syndrome.
    """
    with tempfile.TemporaryDirectory(prefix="gestaltgen-studio-") as scratch:
        state = Path(scratch) / "state"
        state.mkdir()
        with closing(Database.open(state)) as database:
            key, _ = ApiKeys(database.engine).create(OWNER, [Scope.IMAGE_SETS, Scope.PHOTOS, Scope.ADMIN])
        settings = (
            {}
            if models is None
            else {
                "GESTALTGEN_CLASSIFIERS": str(models.resolve() / "classifiers"),
                "GESTALTGEN_SYNDROMES": str(models.resolve() / "syndromes"),
            }
        )
        with start_service(weights.default(), state, settings=settings) as url:
            yield StudioService(url, key)


def train_models(folder: Path) -> None:
    """Train a classifier and the model of a syndrome on phantoms, in minutes; what is there is kept.

    They are good enough to be shown, and for nothing else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    people, faces = folder / "people.zip", folder / "faces.zip"
    _make(people, "dataset", "phantoms", str(people), *_CLINIC.split())
    _make(
        folder / "syndromes", "syndromes", "train", str(people), "--out", str(folder / "syndromes"), *_SYNDROME.split()
    )
    _make(faces, "dataset", "phantoms", str(faces), *_FACES.split())
    classifier = folder / "classifiers" / "phantoms"
    _make(classifier, "classify", "train", "--real", str(faces), "--out", str(classifier), *_CLASSIFIER.split())


def _make(result: Path, *arguments: str) -> None:
    """Run a command of gestaltgen unless its result exists."""
    if not result.exists():
        try:
            subprocess.run([sys.executable, "-m", "gestaltgen", *arguments], check=True)  # noqa: S603  our own words
        except BaseException:
            shutil.rmtree(result, ignore_errors=True)
            raise
