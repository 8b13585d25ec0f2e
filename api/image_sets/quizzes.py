"""Quizzes from complete image sets: their questions, and their files for learning platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final, Literal

from api.image_sets.storage import ImageSetStore, Line, StoredRequest
from api.models.model import ModelInfo
from api.provenance.claims import Claim, sheet_notice
from api.provenance.marks import ImageFormat, encode
from core.errors import RequestError
from faces.conditions.catalogue import Catalogue
from faces.conditions.terms import find_term
from faces.images import read_image
from studies.quiz.moodle import write_moodle
from studies.quiz.qti import write_qti
from studies.quiz.questions import Choice, Quiz, QuizPicture, draw_quiz

QuizFormat = Literal["moodle", "qti"]

_WRITERS: Final[dict[QuizFormat, Callable[[Quiz, str, Callable[[QuizPicture], bytes], IO[bytes]], None]]] = {
    "moodle": write_moodle,
    "qti": write_qti,
}


class Quizzes:
    """Quizzes about the pictures of one generator.

    Args:
        store: holds the image sets.
        model: the generator.
        catalogue: full names and facial features of the conditions.
    """

    def __init__(self, store: ImageSetStore, model: ModelInfo, catalogue: Catalogue) -> None:
        self._store = store
        self._model = model
        self._catalogue = catalogue

    @property
    def notice(self) -> str:
        """Statement that the pictures are synthetic, and by which weights they were made."""
        return f"{sheet_notice(self._model.origin)} Weights {self._model.name}, {self._model.weights_sha256[:12]}."

    def draw(self, sets: Sequence[StoredRequest], count: int | None, seed: int) -> Quiz:
        """Draw a quiz from complete image sets; the same sets, count and seed give the same quiz.

        Sets of the kind `average` give the mean faces that explain the answers; the others are asked about.

        Args:
            count: number of questions; None takes as many as there can be, up to 20.

        Raises:
            RequestError: a set of another generator or of blends, or too few conditions or pictures.
        """
        for image_set in sets:
            if image_set.resolved["weights_sha256"] != self._model.weights_sha256:
                raise RequestError("more", f"image set {image_set.id} was made by other weights; expected the same")
            if image_set.resolved["kind"] == "blended":
                raise RequestError(
                    "more", f"image set {image_set.id} has blends, which have no one condition; expected another kind"
                )
        averages = [one for one in sets if one.resolved["kind"] == "average"]
        pictures = [picture for one in sets if one not in averages for picture in self._list_pictures(one)]
        shown = {picture.condition for picture in pictures}
        choices = [self._describe(name) for name in self._model.conditions if name in shown]
        means = [picture for one in averages for picture in self._list_pictures(one)]
        return draw_quiz(pictures, choices, means, count=count, seed=seed)

    def write(self, quiz: Quiz, form: QuizFormat, file: IO[bytes]) -> None:
        """Write a quiz for learning platforms, with its pictures."""

        def read(picture: QuizPicture) -> bytes:
            return self.encode_picture(picture.image_set, picture.index, "jpeg")

        _WRITERS[form](quiz, self.notice, read, file)

    def encode_picture(self, set_id: str, index: int, form: ImageFormat) -> bytes:
        """Return the file of a picture, whose claim does not have its label, which is what a quiz asks for."""
        [data] = self._store.read_images(set_id, [self._store.manifest(set_id)[index]])
        return encode(read_image(data), Claim("synthetic", self._model.weights_sha256, {"quiz": True}), form)

    def _list_pictures(self, image_set: StoredRequest) -> Iterator[QuizPicture]:
        return (_to_picture(image_set.id, line) for line in self._store.manifest(image_set.id))

    def _describe(self, name: str) -> Choice:
        about = self._catalogue.describe(name, self._model.identifiers.get(name, {}))
        terms = sorted(about.terms, key=lambda term: -(term.frequency or 0))
        return Choice(name, about.label, tuple(find_term(term.term_id).term.label for term in terms))


def _to_picture(image_set: str, line: Line) -> QuizPicture:
    return QuizPicture(image_set, int(line["index"]), line["condition"], line["age_group"], line["person"])
