"""Files of the trained models of a syndrome: safetensors with a JSON header, and a card for people beside it.

The arrays hold descriptors and landmarks of the patients and controls of the training. These are personal data, and so
only the owner of the files can read them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from core import tensor_files
from core.atomic_files import create_private_file
from core.errors import CheckpointError, ConfigError, LabelError
from faces.conditions.catalogue import find_name
from recognition.statistics import Interval
from recognition.syndromes.assessment.answer import Group
from recognition.syndromes.cohorts.term_counts import TermCounts

FILE: Final = "model.safetensors"
CARD: Final = "README.md"

_KIND: Final = "syndrome"
_VERSION: Final = 2


@dataclass(frozen=True)
class ModelFigures:
    """Cross-validated figures of a model, on people whom it did not see.

    Attributes:
        auc, sensitivity, specificity: the latter two at a calibrated probability of 0.5.
        brier: mean squared error of the calibrated probability, each half of the people weighing as much.
        calibration: method of the calibration.
    """

    auc: Interval
    sensitivity: Interval
    specificity: Interval
    brier: float
    calibration: str


@dataclass(frozen=True)
class SyndromeCard:
    """Description of the trained models of a syndrome, in numbers that name nobody.

    Attributes:
        syndrome: name of the syndrome.
        patients, controls: people whom the models were trained on.
        unmatched: number of patients who were left out, by the reason.
        draws: number of times that controls were drawn, each with models of its own.
        folds: parts of the cross-validation.
        ancestry_matched: whether controls have the ancestry of their patients.
        age_tolerance: smallest and largest age of a control, as a share of the patient's age.
        figures: by the name of the model.
        novelty_limits: distance beyond which no answer is given, by the name of the space.
        software: name and version of the program.
        created: date of the training, as 2026-01-31.
        term_counts: numbers of HPO terms of patients and controls; None if nobody has any.
    """

    syndrome: str
    patients: Group
    controls: Group
    unmatched: Mapping[str, int]
    draws: int
    folds: int
    ancestry_matched: bool
    age_tolerance: tuple[float, float]
    figures: Mapping[str, ModelFigures]
    novelty_limits: Mapping[str, float]
    software: str
    created: str
    term_counts: TermCounts | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the description as a mapping for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class StoredModel:
    """Content of the file of a trained model.

    Attributes:
        card: what people read of it.
        arrays: numbers of the models, by name.
        settings: everything else that the models need, as JSON.
    """

    card: SyndromeCard
    arrays: Mapping[str, npt.NDArray[Any]]
    settings: Mapping[str, Any]

    def write(self, folder: Path, text: str) -> None:
        """Write the file and the card, readable by the owner alone, into a new folder.

        Args:
            folder: the folder, which is made.
            text: the card, in Markdown.
        """
        import torch

        header = {"kind": _KIND, "version": _VERSION, "card": self.card.to_json(), "settings": dict(self.settings)}
        tensors = {name: torch.from_numpy(np.array(array, order="C")) for name, array in self.arrays.items()}
        folder.mkdir(mode=0o700, parents=True)
        create_private_file(folder / CARD, text.encode())
        create_private_file(folder / FILE, tensor_files.to_bytes(tensors, header))

    @classmethod
    def read(cls, path: Path) -> StoredModel:
        """Read a file that `write` wrote.

        Raises:
            CheckpointError: it cannot be read, or is of another kind or version.
        """
        arrays, header = tensor_files.read_arrays(path)
        return cls(_parse_card(path, header), arrays, header["settings"])


def read_card(path: Path) -> SyndromeCard:
    """Read the description of a trained model without its arrays.

    Raises:
        CheckpointError: the file cannot be read, or is of another kind or version.
    """
    return _parse_card(path, tensor_files.read_header(path))


def find_model(folder: Path, syndrome: str) -> Path:
    """Return the file of the model of a syndrome, in a folder that has a folder for each.

    Raises:
        ConfigError: there is none, or more than one.
        CheckpointError: a file cannot be read, or is of another kind or version.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob(f"[!.]*/{FILE}")):
        files[read_card(file).syndrome].append(file)
    try:
        found = files[find_name(syndrome, files)]
    except LabelError:
        raise ConfigError(
            f"{folder} has no model of {syndrome!r}; expected one of {', '.join(files) or '(none)'}: train it with "
            "`gestaltgen syndromes train`"
        ) from None
    if len(found) > 1:
        raise ConfigError(
            f"{folder} has {len(found)} models of {syndrome!r}, in {', '.join(one.parent.name for one in found)}; "
            "expected one: move the others away"
        )
    return found[0]


def _parse_card(path: Path, header: Mapping[str, Any]) -> SyndromeCard:
    found = header.get("kind"), header.get("version")
    if found != (_KIND, _VERSION):
        raise CheckpointError(
            f"{path} is of kind {found[0]!r}, version {found[1]!r}; expected {_KIND!r}, version {_VERSION}, as "
            "`gestaltgen syndromes train` writes it"
        )
    with tensor_files.refuse_malformed_header(path, "a trained model of a syndrome"):
        return _adapter().validate_python(header["card"])


@cache
def _adapter() -> TypeAdapter[SyndromeCard]:
    return TypeAdapter(SyndromeCard)
