"""Creation of image sets: small ones that a caller waits for at once, the others by jobs; and their deletion."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from api.access.ownership import Kind, Ownership
from api.image_sets.rendering import CHUNK_IMAGES, Chunk, begin_chunk, finish_chunk, make_chunk, make_set
from api.image_sets.scoring import ImageScorer, finish_scores, open_scorer
from api.image_sets.selection import ImageSelector, Selection
from api.image_sets.storage import ImageSetStore, StoredRequest, chunks
from api.jobs.job_list import Job, Jobs
from api.jobs.work import JobStep
from api.models.classifiers import Classifiers
from api.models.model import Model, RenderPlan
from api.models.pool import Models
from api.models.worker import BATCH, Worker
from api.operations.locks import LocalLocks, Locks
from api.operations.metrics import Metrics
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.marks import encode
from api.provenance.registry import Picture, Registry
from core.errors import GestaltError

if TYPE_CHECKING:
    from inversion.result import Inversion


SHARE_IMAGES: Final = 8 * CHUNK_IMAGES
"""Images of a share, which one process makes; any process may take the next share."""


class ImageSetWork:
    """Work of a job that makes an image set: every chunk, in shares if there are many, then the seal.

    Args:
        store: keeps the sets.
        worker: renders the images.
        registry: lists all pictures that were made.
        ownership: knows the owners of the sets.
        classifiers: of the service, which score images.
        locks: keep two processes from selecting the images of one set.
        max_images: limit of images that a set may have.
        max_waiting: most small sets that may be in progress while callers wait for them.
        metrics: of the service.
    """

    def __init__(
        self,
        store: ImageSetStore,
        worker: Worker,
        registry: Registry,
        ownership: Ownership,
        *,
        classifiers: Classifiers,
        locks: Locks,
        max_images: int,
        max_waiting: int,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._worker = worker
        self._registry = registry
        self._ownership = ownership
        self._classifiers = classifiers
        self._shared_locks = locks
        self._max_images = max_images
        self._max_waiting = max_waiting
        self._encode = metrics.encode_seconds.labels("png").time()(encode)
        self._now: list[str] = []
        self._plans: dict[str, RenderPlan] = {}
        self._scorers: dict[str, ImageScorer] = {}
        self._ahead: dict[tuple[str, int], Chunk] = {}
        self._locks = LocalLocks()
        self._guard: Final = threading.Lock()

    def shares(self, total: int) -> Sequence[tuple[int, int]]:
        """Return (start, stop) of the images of each share; none if the set is too small to be divided."""
        return [] if total <= SHARE_IMAGES else list(chunks(total, SHARE_IMAGES))

    def share(self, subject: str, start: int, stop: int) -> Iterator[JobStep]:
        """Yield the steps that render one share."""
        for first, last in chunks(stop - start, CHUNK_IMAGES):
            yield JobStep("chunk", partial(self._chunk, subject, start + first, start + last, stop), start + last)

    def steps(self, subject: str, total: int) -> Iterator[JobStep]:
        """Yield the steps that are not divided: rendering, if there are no shares, and sealing."""
        if not self.shares(total):
            yield from self.share(subject, 0, total)
        yield JobStep("seal", partial(self._seal, subject, total), total)
        self._plans.pop(subject, None)
        self._scorers.pop(subject, None)

    def clean_up(self, subject: str, error: Exception) -> None:
        """Forget what was prepared; what is stored stays for the next attempt (`api.jobs.work.Work`). It is counted."""
        self._forget_preparations(subject)
        self._ownership.weigh(subject, self._store.measure(subject))

    def face(self, models: Models, set_id: str, number: int) -> tuple[str, Inversion]:
        """Return the name of the model and the face of an image; call it in the worker's thread."""
        plan = self.restore_plan(set_id)
        return plan.model, models.use(plan.model).face(plan, plan.rows[number])

    def make_now(self, plan: RenderPlan) -> None:
        """Make a small set while the caller waits.

        Raises:
            Problem: 503, too many wait already.
        """
        with self._guard:
            if len(self._now) >= self._max_waiting:
                raise Problem(
                    ProblemType.MODEL_BUSY,
                    f"{len(self._now)} requests wait for the model already; try again, or ask without `Prefer: wait`.",
                    headers={"Retry-After": "1"},
                )
            self._now.append(plan.id)
        try:
            render = partial(self._worker.render, small=True)
            with self._locks.hold(f"{plan.id}/0"):
                store, model, registry = self._store, self._model(plan), self._registry
                if not make_set(store, model, plan, render, registry, self._record, self._encode):
                    store.seal(plan.id, [0])
                    self._ownership.weigh(plan.id, store.measure(plan.id))
                self._discard_if_deleted(plan.id)
        finally:
            with self._guard:
                self._now.remove(plan.id)

    @property
    def callers(self) -> int:
        """Number of callers who wait for a set that is made without a job."""
        return len(self._now)

    def is_being_made(self, set_id: str) -> bool:
        """Whether a set is being made for a caller who waits, without a job."""
        return set_id in self._now

    def _chunk(self, set_id: str, start: int, stop: int, end: int) -> int:
        """Store images [start, stop), unless they are there unharmed; the next ones before `end` are rendered
        meanwhile."""
        with self._locks.hold(f"{set_id}/{start}"):
            if self._store.is_complete(set_id):
                return 0
            plan, chunk = self._plan(set_id), self._ahead.pop((set_id, start), None)
            if chunk is None:
                chunk = self._begin_chunk(plan, start, stop)
            if stop < end and (ahead := self._begin_chunk(plan, stop, min(stop + CHUNK_IMAGES, end))) is not None:
                self._ahead[set_id, stop] = ahead
            if chunk is None:
                return 0
            scorer = self._find_scorer(plan)
            rendered = finish_chunk(self._store, self._model(plan), chunk, self._registry, self._encode, scorer)
            self._discard_if_deleted(set_id)
            return rendered

    def _begin_chunk(self, plan: RenderPlan, start: int, stop: int) -> Chunk | None:
        return begin_chunk(self._store, self._model(plan), plan, start, stop, self._worker.render_each, self._registry)

    def _seal(self, set_id: str, total: int) -> int:
        """Verify every image against its checksum, render damaged ones again, and publish the set."""
        made = 0
        with self._locks.hold(f"{set_id}/0"):
            if self._store.is_complete(set_id):
                return 0
            for start, stop in chunks(total, CHUNK_IMAGES):
                if not self._store.has_chunk(set_id, start, stop):
                    plan = self._plan(set_id)
                    model, render, scorer = self._model(plan), self._worker.render_each, self._find_scorer(plan)
                    registry, encode = self._registry, self._encode
                    made += make_chunk(self._store, model, plan, start, stop, render, registry, encode, scorer)
            finish = finish_scores if self._find_scorer(self._plan(set_id)) is not None else None
            self._store.seal(set_id, (start for start, _ in chunks(total, CHUNK_IMAGES)), finish)
            self._ownership.weigh(set_id, self._store.measure(set_id))
            self._discard_if_deleted(set_id)
        return made

    def delete(self, set_id: str) -> None:
        """Delete the files of a set and its place in the registry, and forget what was prepared for its job."""
        self._forget_preparations(set_id)
        self._store.delete(set_id)
        self._registry.forget(set_id)

    def _discard_if_deleted(self, set_id: str) -> None:
        """Delete what was written into a set that was deleted meanwhile, perhaps by another process."""
        if not self._store.is_known(set_id):
            self.delete(set_id)

    def _record(self, pictures: Sequence[Picture], set_id: str, size: int) -> None:
        """Register the pictures of a whole set, and its size, in one transaction."""
        with self._registry.begin() as connection:
            self._registry.add(pictures, connection)
            self._ownership.weigh(set_id, size, connection)

    def _forget_preparations(self, set_id: str) -> None:
        """Forget the plan of a set and the chunks that are rendered ahead."""
        self._plans.pop(set_id, None)
        self._scorers.pop(set_id, None)
        for key in [key for key in self._ahead if key[0] == set_id]:
            self._ahead.pop(key, None)

    def _model(self, plan: RenderPlan) -> Model:
        return self._worker.wait_for_models().find(plan.model)

    def restore_plan(self, set_id: str) -> RenderPlan:
        """Plan a stored set again; a filtered one has the rows that were kept, if they were selected already.

        Raises:
            GestaltError: the set or its weights are not there any more.
        """
        request = self._store.request(set_id)
        if request is None:
            raise GestaltError(f"image set {set_id} is not in the state folder; post the request again")
        models, asked = self._worker.wait_for_models(), request.asked
        model = models.find_by_weights(request.resolved["weights_sha256"]) or models.default
        plan = model.plan(asked, self._max_images)
        if plan.id != set_id:
            raise GestaltError(
                f"image set {set_id} was asked of other weights or another version of the software, and "
                f"would now be {plan.id}; start the service with the weights it was asked of"
            )
        selection = None if plan.draws is None else self._store.read_selection(set_id)
        return plan if selection is None else Selection(**selection).apply(plan, model)

    def _plan(self, set_id: str) -> RenderPlan:
        """Return the plan of a set that is made; the images of a filtered one are selected first."""
        if set_id not in self._plans:
            with self._shared_locks.hold(f"selection of {set_id}"):
                plan = self.restore_plan(set_id)
                self._plans[set_id] = plan if plan.draws is None else self._select(plan)
        return self._plans[set_id]

    def _select(self, plan: RenderPlan) -> RenderPlan:
        """Select the images of a filtered plan, and store which they are."""
        model = self._model(plan)
        scorer = open_scorer(model.info, plan.request, self._classifiers) if plan.scored else None
        selector = ImageSelector(plan, model, scorer, self._worker.render)
        selection = selector.select()
        self._store.write_selection(plan.id, vars(selection), selector.draw_left_out())
        return selection.apply(plan, model)

    def _find_scorer(self, plan: RenderPlan) -> ImageScorer | None:
        """Return what scores the images of a plan; None if nothing does, or a selection has their scores."""
        if not plan.scored or plan.scores is not None:
            return None
        if plan.id not in self._scorers:
            self._scorers[plan.id] = open_scorer(self._model(plan).info, plan.request, self._classifiers)
        return self._scorers[plan.id]


class ImageSets:
    """The image sets of a service: creation and deletion.

    Args:
        store, work, jobs, ownership: of the service.
        locks: keep a set that is asked for again from being deleted at the same moment.
        at_once: whether this process makes small sets itself while the caller waits; else jobs make all of them.
    """

    def __init__(
        self,
        store: ImageSetStore,
        work: ImageSetWork,
        jobs: Jobs,
        ownership: Ownership,
        locks: Locks,
        *,
        at_once: bool = True,
    ) -> None:
        self._at_once = at_once
        self._locks = locks
        self._store = store
        self._work = work
        self._jobs = jobs
        self._ownership = ownership

    def ask(self, plan: RenderPlan, owner: str) -> tuple[StoredRequest, bool]:
        """Write down that an owner wants a set.

        Returns:
            The request, and whether the owner did not have the set before.
        """
        request = StoredRequest(plan.id, len(plan.rows), plan.asked, plan.resolved)
        with self._locks.hold(f"image set {plan.id}"):
            size = self._store.begin(request)
            new = self._ownership.give(plan.id, Kind.IMAGE_SET, owner, size)
            if new and not size and not self._store.is_complete(plan.id):
                self._ownership.weigh(plan.id, self._store.measure(plan.id))
        return request, new

    def withdraw(self, set_id: str, owner: str) -> None:
        """Take back what `ask` wrote down for a request that is refused, unless somebody makes the set meanwhile."""
        if not (self._store.is_complete(set_id) or self.is_being_made(set_id) or self._jobs.find_latest(set_id)):
            self.delete(set_id, owner)

    def delete(self, set_id: str, owner: str) -> bool:
        """Take a set from an owner; if no other owner asked for it, cancel its jobs and delete its files.

        Returns:
            Whether the set is gone; False where another owner still has it.
        """
        with self._locks.hold(f"image set {set_id}"):
            if not self._ownership.release(set_id, owner):
                return False
            self._jobs.forget(set_id)
            self._work.delete(set_id)
        return True

    def find_latest_job(self, set_id: str) -> Job | None:
        """Return the last job of a set; a set that nobody has asked for has none."""
        return self._jobs.find_latest(set_id) if self._store.is_known(set_id) else None

    def can_be_made_now(self, plan: RenderPlan, latest: Job | None) -> bool:
        """Whether a set is small enough to be made without a job, and no job is making it.

        Args:
            latest: the last job of the set.
        """
        small = self._at_once and len(plan.rows) <= BATCH and not plan.scored and plan.draws is None
        return small and (latest is None or latest.finished) and not self._store.is_complete(plan.id)

    def make_now(self, plan: RenderPlan) -> None:
        """Make a set while the caller waits.

        Raises:
            Problem: 503, too many wait already.
        """
        self._work.make_now(plan)

    @property
    def callers(self) -> int:
        """Number of callers who wait for a set that is made without a job."""
        return self._work.callers

    def is_being_made(self, set_id: str) -> bool:
        """Whether a set is being made for a caller who waits, without a job."""
        return self._work.is_being_made(set_id)

    def submit(self, request: StoredRequest, owner: str) -> Job | None:
        """Submit a job that starts or continues a set; None if the set is complete."""
        if self._store.is_complete(request.id):
            return None
        return self._jobs.submit(Kind.IMAGE_SET, request.id, request.images, owner)
