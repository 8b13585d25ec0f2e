"""Syndromes that the service can assess photographs for: their trained models, and which of these are in memory."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from api.models.loaded_models import LoadedModels
from api.problem_types import ProblemType
from api.problems import Problem, make_field_problem
from core import tensor_files
from core.errors import GestaltError
from recognition.syndromes.assessment.model_files import CARD, FILE, SyndromeCard, read_card

if TYPE_CHECKING:  # it brings PyTorch with it
    from recognition.syndromes.assessment.syndrome_model import SyndromeModel

_DESCRIPTORS: Final = ("descriptor.onnx", "descriptor.safetensors")
_log: Final = logging.getLogger("gestaltgen.models")


@dataclass(frozen=True)
class SyndromeInfo:
    """Description of the trained model of a syndrome.

    Attributes:
        file: the file of the model.
        changed_ns: time of its last change.
        size_bytes: memory that it needs.
        sha256: digest of the file.
        card: what its file says of it.
        text: the same for people, in Markdown; empty if the card was deleted.
    """

    file: Path
    changed_ns: int
    size_bytes: int
    sha256: str
    card: SyndromeCard = field(hash=False)
    text: str


class SyndromeModels:
    """Trained models of syndromes in a folder, which is looked at for each request.

    Args:
        folder: holds a folder for each syndrome, as `gestaltgen syndromes train` writes it, and the file of the
            descriptor that they were trained with, unless it is dlib's: `descriptor.onnx` or `descriptor.safetensors`;
            None serves none.
        most_bytes: bound of the models in memory; one may always be.
    """

    def __init__(self, folder: Path | None, most_bytes: int) -> None:
        self.folder = folder
        self._loaded = LoadedModels(load_model, most_bytes)

    def list_infos(self) -> list[SyndromeInfo]:
        """List the models by syndrome; those that cannot be read are logged once and left out until they change."""
        if self.folder is None:
            return []
        infos = [_find_info(file) for file in sorted(self.folder.glob(f"[!.]*/{FILE}"))]
        served = sorted((info for info in infos if info is not None), key=lambda info: info.card.syndrome)
        for first, second in pairwise(served):
            if first.card.syndrome == second.card.syndrome:
                _warn_of_second(first.file, second.file)
        return [*{info.card.syndrome: info for info in served}.values()]

    def find(self, syndrome: str) -> SyndromeInfo:
        """Return the model of a syndrome.

        Raises:
            Problem: 503, no model is served; 422, there is none of that syndrome.
        """
        infos = {info.card.syndrome: info for info in self.list_infos()}
        if not infos:
            raise Problem(
                ProblemType.NO_SYNDROME_SERVED,
                "The service has no trained model of a syndrome; the operator names a folder of them as "
                "GESTALTGEN_SYNDROMES, such as one that `gestaltgen syndromes train` wrote.",
            )
        if syndrome not in infos:
            message = f"there is no model of {syndrome[:80]!r}; expected one of {', '.join(infos)}"
            raise make_field_problem("syndrome", message, syndrome, accepted=list(infos))
        return infos[syndrome]

    def use(self, syndrome: str) -> SyndromeModel:
        """Load the model of a syndrome.

        Raises:
            Problem: as `find`.
            CheckpointError: its file cannot be read.
        """
        return self._loaded.use(self.find(syndrome))


def _find_info(file: Path) -> SyndromeInfo | None:
    """Describe a model; None if it cannot be read, or is being replaced."""
    try:
        return _read_info(file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=256)
def _read_info(file: Path, changed_ns: int) -> SyndromeInfo | None:
    """Describe a model by the header of its file; None if that cannot be read."""
    try:
        card = read_card(file)
    except GestaltError as error:
        _log.warning("model %s is not served: %s", file, error)
        return None
    text = file.with_name(CARD)
    size, digest = file.stat().st_size, tensor_files.sha256(file)
    return SyndromeInfo(file, changed_ns, size, digest, card, text.read_text() if text.exists() else "")


@lru_cache(maxsize=256)
def _warn_of_second(left_out: Path, served: Path) -> None:
    _log.warning("%s is not served: %s is of the same syndrome; move one of them away", left_out, served)


def load_model(info: SyndromeInfo) -> SyndromeModel:
    from recognition.syndromes.assessment.syndrome_model import SyndromeModel
    from recognition.syndromes.features.descriptors import load_descriptor

    folder = info.file.parent.parent
    files = [file for name in _DESCRIPTORS if (file := folder / name).exists()]
    return SyndromeModel.open(info.file, load_descriptor(files[0] if files else None))
