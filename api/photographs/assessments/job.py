"""Job that assesses the face of a photograph by the models of a syndrome, and compares it with the owner's cohort."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from api.jobs.work import JobStep, Undivided
from api.models.pool import Models
from api.models.syndrome_models import SyndromeModels
from api.photographs.assessments.cohort import Cohort
from api.photographs.assessments.store import Assessments
from api.photographs.job_context import JobContext
from api.photographs.records import AssessmentRecord, CohortMember
from api.provenance.claims import Claim
from core.errors import GestaltError
from faces.images import Pixels

if TYPE_CHECKING:
    from recognition.syndromes.cohorts.grouping import Likeness

_FEWEST: Final = 2
"""Members of a cohort below which no face is compared with them."""


class AssessmentWork(Undivided):
    """Job that assesses a photograph: one step.

    Args:
        context: resources of the jobs of photographs.
        assessments: the store.
        cohort: members of the owners' cohorts.
        syndrome_models: of the service; only the worker's thread uses them.
    """

    def __init__(
        self, context: JobContext, assessments: Assessments, cohort: Cohort, syndrome_models: SyndromeModels
    ) -> None:
        self._context = context
        self._assessments = assessments
        self._cohort = cohort
        self._syndrome_models = syndrome_models

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield the only step; see `api.jobs.work.Work`."""
        yield JobStep("assessment", partial(self._assess, subject), 1)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Do nothing: the answer is written last; see `api.jobs.work.Work`."""

    def _assess(self, subject: str) -> int:
        context, record = self._context, self._assessments.get(subject)
        if record is None:
            raise GestaltError(f"assessment {subject} was erased")
        if record.result is not None:
            return 0
        (photo,) = record.photos
        crop = context.read_crop(photo)
        answer, picture = context.worker.call(partial(self._compute, record, crop))
        answer["cohort"] = None if answer["refusals"] else self._compare_with_cohort(record, crop)
        claim = Claim("annotated", "", {"drawn": "reasons of an assessment"})  # the picture may be passed on
        with context.eraser.block_erasure(photo, derived=record):
            size = self._assessments.write_answer(record, answer, context.marker.encode(picture, claim))
            context.ownership.weigh(record.id, size)
        return 1

    def _compute(self, record: AssessmentRecord, crop: Pixels, _: Models) -> tuple[dict[str, Any], Pixels]:
        """Return the answer and its picture. Call it in the worker's thread."""
        asked = record.asked
        model = self._syndrome_models.use(asked["syndrome"])
        assessment = model.assess(
            crop, sex=asked.get("sex"), age=asked.get("age"), terms=asked.get("terms"), prior=asked["prior"]
        )
        return assessment.to_json(), assessment.picture

    def _compare_with_cohort(self, record: AssessmentRecord, crop: Pixels) -> dict[str, Any] | None:
        """Return how the face fits among the members of the owner's cohort with the syndrome; None without members."""
        (photo,) = record.photos
        members = self._cohort.list_fellows(photo, record.owner, record.asked["syndrome"], record.created_ms)
        if not members:
            return None
        descriptors = [found for one in members if (found := self._describe_member(record, one)) is not None]
        answer = {"members": len(descriptors), "left_out": len(members) - len(descriptors)}
        if len(descriptors) < _FEWEST:
            return answer | {"p": None, "intruders": None, "controls_alike": None}

        def measure(_: Models) -> Likeness:
            model = self._syndrome_models.use(record.asked["syndrome"])
            return model.measure_likeness(np.stack(descriptors), crop)

        return answer | asdict(self._context.worker.call(measure))

    def _describe_member(self, record: AssessmentRecord, member: CohortMember) -> npt.NDArray[np.float32] | None:
        """Return the descriptor of a member's face, which is computed once; None if it left, or shows no face."""
        known = self._cohort.read_descriptor(member)
        if known is not None:
            return known
        try:
            crop = self._context.read_crop(member.photo)
            descriptor = self._context.worker.call(partial(self._describe, record, crop))
            with self._context.eraser.block_erasure(member.photo):
                if self._cohort.find(member.photo) != member:
                    return None
                self._cohort.write_descriptor(member, descriptor)
        except GestaltError:
            return None
        return descriptor

    def _describe(self, record: AssessmentRecord, crop: Pixels, _: Models) -> npt.NDArray[np.float32]:
        """Return the descriptor of a face. Call it in the worker's thread."""
        return self._syndrome_models.use(record.asked["syndrome"]).describe(crop)
