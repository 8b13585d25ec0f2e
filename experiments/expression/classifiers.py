"""The classifiers of one arm, trained for every fold and seed, and their predictions for each view of the test faces.

OUT/arms/ARM/seed-S/fold-K/              one training
OUT/arms/ARM/trained.json                seeds that are trained
OUT/arms/ARM/predictions/seed-S/VIEW.csv predictions of the ensemble of a seed
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import torch
import typer

from core.atomic_files import write_file
from core.errors import ConfigError, GestaltError
from experiments.expression.edits import locate_pictures, read_answers, read_view, select_persons
from experiments.expression.people import PLANTED, TRAIN_SEED, Scale, draw_people
from experiments.expression.views import BALANCED_SET, DRAWN, MADE, PLANTED_SET, REST, SMILE, TEST_SET
from experiments.processes import SideProcess, print_epoch
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.images.folds import split_into_folds
from recognition.images.image_stack import Stack
from recognition.images.samples import Samples, load_real_samples
from recognition.predictions import Predictions
from recognition.training.cross_validation import cross_validate

FOLDS: Final = 5
SIZE: Final = 128
"""Side of all pictures in pixels: that of the generator."""


@dataclass(frozen=True)
class ExpressionArm:
    """One way to train.

    Attributes:
        name: for people.
        folder: for files.
        data: faces to learn from.
        adds: edited pictures of them to add: each face with the expression that it does not have, or with both.
        photographs: True shows the faces themselves, too; if False, they only choose the epoch.
    """

    name: str
    folder: str
    data: str = PLANTED_SET
    adds: Literal["none", "other", "both"] = "none"
    photographs: bool = True


ARM_PLANTED: Final = ExpressionArm("planted", "planted")
ARMS: Final = (
    ARM_PLANTED,
    ExpressionArm("balanced", "balanced", BALANCED_SET),
    ExpressionArm("planted + other expression", "other-expression", adds="other"),
    ExpressionArm("planted + both expressions", "both-expressions", adds="both"),
    ExpressionArm("both expressions alone", "both-alone", adds="both", photographs=False),
)


@dataclass(frozen=True)
class ExpressionPlan:
    """Settings of an experiment, stored with it, so that it continues with them whatever the defaults have become.

    Attributes:
        scale: size of the experiment.
        training: settings of the classifiers of every arm.
    """

    scale: Scale
    training: ClassifierTrainingConfig

    @classmethod
    def of(cls, scale: Scale) -> Self:
        """Make a plan with the current default settings."""
        return cls(scale, ClassifierTrainingConfig(images_per_epoch=scale.images_per_epoch, epochs=scale.epochs))

    @classmethod
    def read(cls, out: Path) -> Self | None:
        """Read the plan of a folder; None if there is none."""
        path = out / "plan.json"
        if not path.exists():
            return None
        stored = json.loads(path.read_bytes())
        return cls(Scale(**stored["scale"]), ClassifierTrainingConfig.from_json(stored["training"]))

    def write(self, out: Path) -> None:
        """Write the plan into a folder."""
        write_file(out / "plan.json", (json.dumps(self.to_json(), indent=1) + "\n").encode())

    def to_json(self) -> dict[str, Any]:
        return {"scale": asdict(self.scale), "training": self.training.to_json()}


def describe_process(arm: ExpressionArm, out: Path, seeds: Sequence[int]) -> SideProcess:
    """Describe the process that trains an arm's classifiers."""
    folder = out / "arms" / arm.folder
    command = (sys.executable, "-m", "experiments.expression.classifiers", str(out), arm.folder, *map(str, seeds))
    return SideProcess(
        f"classifiers of {arm.name!r}", command, folder / "log.txt", set(seeds) <= set(_read_trained_seeds(folder))
    )


def train_arm(arm: ExpressionArm, out: Path, plan: ExpressionPlan, seeds: Sequence[int]) -> None:
    """Train an arm's classifiers, or continue.

    An edited picture is shown only in folds that train on its person; none is ever validated on.
    """
    torch.set_num_threads(1)
    folder, real = out / "arms" / arm.folder, load_real_samples(out / arm.data)
    cross_validate(
        plan.training,
        real,
        folder,
        count=FOLDS,
        seeds=seeds,
        extra=None if arm.adds == "none" else assign_to_folds(real, read_edited_pictures(arm, out, plan.scale, real)),
        real_faces=arm.photographs,
        about={"arm": arm.name},
        on_progress=print_epoch,
    )
    write_file(folder / "trained.json", json.dumps(sorted({*_read_trained_seeds(folder), *seeds})).encode())


def read_edited_pictures(arm: ExpressionArm, out: Path, scale: Scale, real: Samples) -> Stack:
    """Read the edited pictures of an arm, of all persons whose face was not refused."""
    folder, persons = locate_pictures(out, arm.data), draw_people(PLANTED, scale.persons, TRAIN_SEED)
    usable = [place for place, one in enumerate(read_answers(folder, len(real))) if one.refused is None]
    if arm.adds == "both":
        return read_view(real, folder, [(place, view) for place in usable for view in (SMILE, REST)])
    return read_view(real, folder, [(place, REST if persons[place].smile > 0.5 else SMILE) for place in usable])


def assign_to_folds(real: Samples, extra: Stack) -> Callable[[int], Stack]:
    """Return a function that selects, for a fold, the pictures of the persons in its training part."""
    learnt = [{real.samples[place].person for place in inside} for inside, _ in split_into_folds(real, FOLDS)]
    return lambda fold: select_persons(extra, learnt[fold])


def predict_views(arm: ExpressionArm, out: Path, seed: int) -> dict[str, Predictions]:
    """Predict every view of the test faces that were not refused with the ensemble of a seed, and keep the files."""
    path = out / "arms" / arm.folder / "predictions" / f"seed-{seed}"
    path.mkdir(parents=True, exist_ok=True)
    missing = [view for view in (*MADE, *DRAWN) if not (path / f"{view}.csv").exists()]
    if missing:
        ensemble = Ensemble.open(out / "arms" / arm.folder / f"seed-{seed}")
        for view, faces in read_views(out, missing).items():
            ensemble.predict(faces).save(path / f"{view}.csv")
    return {view: Predictions.load(path / f"{view}.csv") for view in (*MADE, *DRAWN)}


def read_views(out: Path, views: Sequence[str]) -> dict[str, Samples]:
    """Read the test persons in each view, in one order."""
    photographs, folder = load_real_samples(out / TEST_SET), locate_pictures(out, TEST_SET)
    usable = [place for place, one in enumerate(read_answers(folder, len(photographs))) if one.refused is None]
    return {
        view: load_real_samples(out / DRAWN[view]).subset(usable)
        if view in DRAWN
        else read_view(photographs, folder, [(place, view) for place in usable])
        for view in views
    }


def _read_trained_seeds(folder: Path) -> list[int]:
    path = folder / "trained.json"
    return list(json.loads(path.read_bytes())) if path.exists() else []


def main(folder: Path, arm: str, seeds: list[int]) -> None:
    """Train the classifiers of one arm of the experiment in a folder."""
    try:
        if (plan := ExpressionPlan.read(folder)) is None:
            raise ConfigError(f"{folder} holds no plan.json; expected the folder of an experiment that has begun")
        train_arm({one.folder: one for one in ARMS}[arm], folder, plan, seeds)
    except GestaltError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    typer.run(main)
