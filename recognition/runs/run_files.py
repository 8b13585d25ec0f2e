"""Files of a run of classifiers, and lists of runs as people name them.

RUN/run.json               settings of the run; the same command continues it, one with other settings is refused
RUN/sets/NAME/             image sets of the service, shard by shard
RUN/sets/fold-K/NAME/      image sets that only one fold learns from
RUN/folds.json             images of each fold
RUN/seed-N/fold-K/         one training
RUN/seen.json              images and persons that generators and classifiers were trained on: never to be tested on
RUN/predictions/seed-N.csv predictions of the ensemble of a seed's folds for the test set
RUN/report/                tables, JSON and a page
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from core.atomic_files import write_file
from core.errors import ConfigError, DatasetError
from core.run_folders import compare_settings, describe_changes
from recognition.images.leakage import TrainingRecord
from recognition.images.service_request import ServiceSetRequest, read_recorded_request
from recognition.predictions import Predictions, pool_predictions
from recognition.runs.set_requests import SETS, parse_fold

_VERSION: Final = 1
_PERSON_DIGITS: Final = 16  # of a hash: a run that is passed on names nobody


class RunFiles:
    """Folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about = path / "run.json"
        self.seen = path / "seen.json"
        self.predictions = path / "predictions"
        self.report = path / "report"

    def set_folder(self, name: str) -> Path:
        return self.path / SETS / name

    def seed_folder(self, seed: int) -> Path:
        return self.path / f"seed-{seed}"

    def list_seeds(self) -> list[int]:
        """List the seeds that have classifiers."""
        numbers = (path.name.removeprefix("seed-") for path in self.path.glob("seed-*") if path.is_dir())
        return sorted(int(number) for number in numbers if number.isdigit())

    def read(self) -> dict[str, Any]:
        """Read run.json.

        Raises:
            ConfigError: there is no run.json, or it is damaged.
        """
        try:
            about: dict[str, Any] = json.loads(self.about.read_bytes())
            if about["version"] != _VERSION:
                raise ValueError(f"version {about['version']}")
        except FileNotFoundError:
            raise ConfigError(
                f"{self.path} is no run: it has no {self.about.name}; expected a folder of `gestaltgen classify train`"
            ) from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{self.about} cannot be read ({error}); train into another folder") from error
        return about

    def begin(self, asked: Mapping[str, Any]) -> None:
        """Write the settings of a new run, or check that the run in the folder has the same.

        Raises:
            ConfigError: the run has other settings; the message lists them.
        """
        if not self.about.exists():
            if self.path.is_dir() and any(self.path.iterdir()):
                raise ConfigError(f"{self.path} holds files and no run; choose a new folder with --out")
            self.write({"asked": dict(asked)})
            return
        changes = compare_settings(self.read()["asked"], json.loads(json.dumps(asked)))
        if changes:
            raise ConfigError(
                f"{self.path} holds a run with other settings: {describe_changes(changes)}. "
                "Give the same command to continue it, or another --out"
            )

    def write(self, about: Mapping[str, Any]) -> None:
        write_file(self.about, (json.dumps({"version": _VERSION, **about}, indent=1) + "\n").encode())

    def record(self, name: str, value: Any) -> None:
        """Add a fact to run.json that the run does not depend on."""
        self.write({**self.read(), name: value})

    def write_record(self, seen: TrainingRecord, persons: Sequence[str]) -> None:
        """Write seen.json."""
        about = {"seen": seen.to_json(), "persons": sorted(hash_persons(persons))}
        write_file(self.seen, (json.dumps(about) + "\n").encode())

    def read_record(self) -> tuple[TrainingRecord, frozenset[str]]:
        """Read the record of the training images of generators and classifiers, and hashes of the persons.

        Raises:
            ConfigError: the run has not come so far, or the file is damaged.
        """
        try:
            about = json.loads(self.seen.read_bytes())
            return TrainingRecord.from_json(about["seen"]), frozenset(about["persons"])
        except FileNotFoundError:
            raise ConfigError(f"{self.path} has no {self.seen.name}; train it first, with the same command") from None
        except (OSError, KeyError, TypeError, ValueError, DatasetError) as error:
            raise ConfigError(f"{self.seen} cannot be read ({error}); give the training command again") from error


def read_requests(run: Path, folds: int, fold_seed: int) -> dict[str, ServiceSetRequest]:
    """Read the requests for the same image sets as those of another run, by their names there.

    Args:
        run: folder of the other run.
        folds, fold_seed: number and seed of the folds of the run that is to learn from them.

    Raises:
        ConfigError: the run has no image sets, has not begun to pull them all, or some are for single folds of another
            split.
    """
    asked = RunFiles(run).read()["asked"]
    if not asked["sets"]:
        raise ConfigError(f"{run} has no image sets; expected a run that was trained with --augment")
    there = (asked["folds"], asked["fold_seed"])
    if there != (folds, fold_seed) and any(parse_fold(name) is not None for name in asked["sets"]):
        raise ConfigError(
            f"the image sets of {run} are each for one fold of --folds {there[0]} and --fold-seed {there[1]}, here are "
            f"{folds} and {fold_seed}; expected the same, as their generators know the persons of all other folds"
        )
    return {name: read_recorded_request(RunFiles(run).set_folder(name)) for name in asked["sets"]}


def hash_persons(persons: Sequence[str]) -> frozenset[str]:
    """Hash names of persons, so that a run that is passed on names nobody."""
    return frozenset(hashlib.sha256(person.encode()).hexdigest()[:_PERSON_DIGITS] for person in persons)


def load_predictions(path: Path) -> tuple[Predictions, int]:
    """Load predictions of a CSV, a folder of CSVs (one for each seed) or a run, with the number of seeds.

    Raises:
        DatasetError: there are no predictions.
    """
    if not path.is_dir():
        return Predictions.load(path), 1
    inside = path / "predictions" if (path / "predictions").is_dir() else path
    files = sorted(inside.glob("*.csv"))
    if not files or not all(file.stem.startswith("seed-") for file in files):
        raise DatasetError(
            f"{path} holds no predictions (seed-N.csv); expected a CSV, or a run that was given --test: "
            "gestaltgen classify predict RUN --test DATASET"
        )
    runs = [Predictions.load(file) for file in files]
    return (runs[0] if len(runs) == 1 else pool_predictions(runs)), len(runs)


def load_named_predictions(texts: Sequence[str]) -> dict[str, Predictions]:
    """Load predictions given as NAME=PATH, or as PATH alone.

    Raises:
        ConfigError: a duplicate name, or runs with different numbers of seeds.
        DatasetError: as `load_predictions`.
    """
    predictions: dict[str, Predictions] = {}
    seeds: dict[str, int] = {}
    for name, path in parse_named_paths(texts).items():
        predictions[name], seeds[name] = load_predictions(path)
    if len(set(seeds.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in seeds.items())
        raise ConfigError(
            f"runs have different numbers of seeds: {counts}; compare like with like: train all with the same --seeds, "
            "or name single files, as real=runs/real/predictions/seed-0.csv"
        )
    return predictions


def parse_named_paths(texts: Sequence[str]) -> dict[str, Path]:
    """Parse NAME=PATH, or PATH alone, which is named after itself.

    Raises:
        ConfigError: a duplicate name.
    """
    paths: dict[str, Path] = {}
    for text in texts:
        name, sign, rest = text.partition("=")
        if not sign or Path(text).exists():
            path = Path(text)
            name = path.resolve().parent.name if path.name == "predictions" else path.stem if path.suffix else path.name
            rest = text
        name = name.strip() or str(rest)
        if name in paths:
            raise ConfigError(f"two runs are called {name!r}; give them names of their own, as better={rest}")
        paths[name] = Path(rest)
    return paths
