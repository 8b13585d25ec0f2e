"""Resources that live as long as the service: opened from the settings at its start, closed at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from api.access.api_keys import Caller, Scope
from api.access.owner_threads import OwnerThreads
from api.access.ownership import Kind
from api.access.sessions import Sessions
from api.access.tickets import Tickets
from api.encryption.opaque_tokens import OpaqueTokens
from api.image_sets.creation import ImageSets, ImageSetWork
from api.image_sets.derived_files import DerivedFiles
from api.image_sets.file_cache import FileCache
from api.image_sets.quizzes import Quizzes
from api.image_sets.set_metadata import SetMetadata
from api.image_sets.storage import StoredRequest
from api.jobs.followed_jobs import FollowedJobs
from api.jobs.job_list import Jobs
from api.jobs.work import Work
from api.models.classifiers import Classifiers
from api.models.model import ModelInfo
from api.models.pool import Models
from api.models.syndrome_models import SyndromeModels
from api.models.worker import Worker
from api.operations.metrics import Metrics
from api.operations.state_folder import CACHE, lock_state_folder
from api.photographs.assessments.job import AssessmentWork
from api.photographs.decoding import Decoder
from api.photographs.edit_job import EditWork
from api.photographs.erasure import Eraser
from api.photographs.explanations.job import ExplanationWork
from api.photographs.inversion_job import InversionWork
from api.photographs.job_context import JobContext
from api.photographs.survey_pack_job import SurveyPackWork
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.content_credentials import Credentials, open_credentials
from api.provenance.marks import Marker
from api.settings import Settings
from api.stores import Stores, open_stores
from faces.conditions.catalogue import Catalogue, load_catalogue

_THREADS: Final = 2
_DECODING_THREADS: Final = 1
_DECODING_REQUESTS: Final = 8
"""Requests of one owner that wait for a decoder; each may hold a picture of the largest size."""


@dataclass(frozen=True)
class Resources(Stores):
    """Resources that the lifespan of the application opens and closes.

    Attributes:
        work: threads of requests that make or store something.
        recognition: threads of requests that decode pictures.
        streams: threads of event streams.
        followed_jobs: jobs that event streams follow.
    """

    catalogue: Catalogue
    worker: Worker
    jobs: Jobs
    sets: ImageSets
    sessions: Sessions
    tickets: Tickets
    quiz_tokens: OpaqueTokens
    explanation_work: ExplanationWork
    classifiers: Classifiers
    syndrome_models: SyndromeModels
    eraser: Eraser
    marker: Marker
    credentials: Credentials
    decoder: Decoder
    cache: FileCache
    work: OwnerThreads
    recognition: OwnerThreads
    streams: OwnerThreads
    followed_jobs: FollowedJobs

    @classmethod
    def open(cls, settings: Settings, load: Callable[[Settings], Models], metrics: Metrics) -> Self:
        """Open the database and the stores, and start the worker and the queue.

        Args:
            settings: of the service.
            load: opens the models that render, in the worker's thread.
            metrics: of the service.

        Raises:
            GestaltError: one of them cannot be opened.
        """
        credentials, catalogue = open_credentials(settings), load_catalogue(settings.catalogue)
        classifiers = Classifiers(settings.classifiers, settings.model_memory_mb << 20)
        syndrome_models = SyndromeModels(settings.syndromes, settings.model_memory_mb << 20)
        with ExitStack() as opened:
            stores = open_stores(settings, metrics, opened)
            eraser = stores.make_eraser(lambda subject: jobs.forget(subject))  # the jobs need it, and are opened below
            worker = Worker(partial(load, settings), metrics)
            opened.callback(worker.close)
            set_work = _make_set_work(stores, worker, classifiers)
            context = _make_job_context(stores, worker, eraser, set_work)
            explanation_work = ExplanationWork(context, stores.explanations, classifiers, stores.store.image_file)
            assessment_work = AssessmentWork(context, stores.assessments, stores.cohort, syndrome_models)
            works: dict[Kind, Work] = {
                Kind.IMAGE_SET: set_work,
                Kind.PHOTO: InversionWork(context),
                Kind.EDIT: EditWork(context),
                Kind.STIMULI: SurveyPackWork(context),
                Kind.EXPLANATION: explanation_work,
                Kind.ASSESSMENT: assessment_work,
            }
            jobs = _start_jobs(stores, works)
            opened.pop_all()  # from here on, `close` closes them
        store, ownership, locks = stores.store, stores.ownership, stores.database.locks
        return cls(
            **vars(stores),
            catalogue=catalogue,
            worker=worker,
            jobs=jobs,
            sets=ImageSets(store, set_work, jobs, ownership, locks, at_once=settings.role == "all"),
            sessions=Sessions(
                stores.database.engine, stores.api_keys, stores.secret, map(Scope, settings.scopes_of_users)
            ),
            tickets=Tickets(stores.database.engine),
            quiz_tokens=OpaqueTokens(stores.secret, "quiz"),
            explanation_work=explanation_work,
            classifiers=classifiers,
            syndrome_models=syndrome_models,
            eraser=eraser,
            marker=context.marker,
            credentials=credentials,
            decoder=context.decoder,
            cache=FileCache(settings.state / CACHE, settings.cache_mb << 20),
            work=OwnerThreads(_THREADS, settings.max_waiting_per_owner),
            recognition=OwnerThreads(_DECODING_THREADS, _DECODING_REQUESTS),
            streams=OwnerThreads(_THREADS, settings.max_streams_per_owner),
            followed_jobs=FollowedJobs(),
        )

    def close(self) -> None:
        """Complete the current batch, and close everything; unfinished jobs continue at the next start."""
        self.worker.close()
        self.jobs.stop()
        self.audit.close()
        self.database.close()

    def open_derived_files(self, known: StoredRequest) -> DerivedFiles:
        """Return the derived files of an image set; the models must be open.

        Raises:
            Problem: 409, the generator that made the set is not served any more; 503, the disk is nearly full.
        """
        return DerivedFiles(self.store, self._find_generator(known))

    def open_set_metadata(self, known: StoredRequest) -> SetMetadata:
        """Return the metadata of an image set; errors as `open_derived_files`."""
        return SetMetadata(self.store, self._find_generator(known))

    def open_quizzes(self, known: StoredRequest) -> Quizzes:
        """Return the quizzes about an image set; errors as `open_derived_files`."""
        return Quizzes(self.store, self._find_generator(known), self.catalogue)

    def _find_generator(self, known: StoredRequest) -> ModelInfo:
        """Find the generator that made an image set; errors as `open_derived_files`."""
        self.free_space.check()
        weights = str(known.resolved["weights_sha256"])
        model = self.worker.models.find_by_weights(weights)
        if model is None:
            raise Problem(
                ProblemType.WEIGHTS_NOT_SERVED,
                f"The image set was made with weights {weights[:12]}…, which are not served any more; its manifest and "
                "images can be had.",
            )
        return model.info

    def list_models(self, caller: Caller) -> list[ModelInfo]:
        """List the generators that a caller may use. The first one serves requests that name none.

        Raises:
            Problem: 403, there are none; 503, they are not open yet.
        """
        served = {info.name: info for info in self.worker.models.infos}
        return [served[name] for name in self.tenants.list_models(caller.owner, list(served))]

    def check_bytes(self, caller: Caller) -> None:
        """Check that more may be stored for a caller.

        Raises:
            Problem: 403, the caller has no room; 503, the disk is nearly full.
        """
        self.free_space.check()
        self.tenants.check_bytes(caller.owner, lambda: self.ownership.weight(caller.owner))

    def check_room(self, caller: Caller, kind: Kind, subject: str, total: int) -> None:
        """Check that a job could be submitted now, before anything is stored for it.

        Raises:
            Problem: 503, the queue is full, or 429, the caller has too much in it; the Idempotency-Key of the request
                is free again.
        """
        try:
            self.jobs.check_room(kind, subject, total, caller.owner)
        except Problem:
            self.keys.forget(subject)
            raise

    def find_photographs(self, kind: Kind, subject: str) -> tuple[str, ...]:
        """Return the ids of the photographs that an object shows, or that it was made from, whoever owns it.

        Args:
            kind: kind of the object.
            subject: id of the object.
        """
        if kind is Kind.PHOTO:
            return (subject,)
        find = {
            Kind.EDIT: self.edits.get,
            Kind.EXPLANATION: self.explanations.get,
            Kind.ASSESSMENT: self.assessments.get,
            Kind.STIMULI: self.survey_packs.get,
        }.get(kind)
        record = None if find is None else find(subject)
        return () if record is None else record.photos

    def photo_ttl_s(self, caller: Caller) -> int:
        """Return the longest time for which a photograph of a caller is kept."""
        longest = self.settings.photo_ttl_s
        theirs = self.tenants.limits(caller.owner).photo_ttl_s
        return longest if theirs is None else min(longest, theirs)


def _make_set_work(stores: Stores, worker: Worker, classifiers: Classifiers) -> ImageSetWork:
    return ImageSetWork(
        stores.store,
        worker,
        stores.registry,
        stores.ownership,
        classifiers=classifiers,
        locks=stores.database.locks,
        max_images=stores.settings.max_images_per_set,
        max_waiting=stores.settings.max_waiting,
        metrics=stores.metrics,
    )


def _make_job_context(stores: Stores, worker: Worker, eraser: Eraser, set_work: ImageSetWork) -> JobContext:
    return JobContext(
        photographs=stores.photographs,
        edits=stores.edits,
        survey_packs=stores.survey_packs,
        eraser=eraser,
        worker=worker,
        decoder=Decoder(max_pixels=stores.settings.max_photo_pixels),
        marker=Marker(stores.secret),
        registry=stores.registry,
        ownership=stores.ownership,
        synthetic_face=set_work.face,
        precision=stores.settings.precision,
        metrics=stores.metrics,
    )


def _start_jobs(stores: Stores, works: Mapping[Kind, Work]) -> Jobs:
    """Start the queue; a process that others consider dead ends itself."""
    settings = stores.settings
    return Jobs(
        stores.database,
        works,
        concurrent=0 if settings.role == "api" else settings.concurrent_jobs,
        most_open=(settings.max_open_jobs, settings.max_open_jobs_per_owner),
        check_images=stores.tenants.check_images,
        is_space_scarce=stores.free_space.is_scarce,
        metrics=stores.metrics,
        lost=partial(os.kill, os.getpid(), signal.SIGTERM),
    )


def reserve_state_folder(settings: Settings) -> AbstractContextManager[None]:
    """Keep a second service from using the state folder, unless both share a database.

    Raises:
        ConfigError: another service uses it.
    """
    return nullcontext() if settings.database else lock_state_folder(settings.state)
