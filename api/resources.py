"""Resources that live as long as the service: opened from the settings at its start, closed at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from api.access.api_keys import ApiKeys, Caller, Scope
from api.access.idempotency import IdempotencyKeys
from api.access.owner_threads import OwnerThreads
from api.access.ownership import Kind, Ownership
from api.access.sessions import Sessions
from api.access.tenants import Tenants
from api.access.tickets import Tickets
from api.encryption.key_store import SubjectKeys, load_or_create_secret
from api.encryption.opaque_tokens import OpaqueTokens
from api.encryption.sealed_files import SealedFiles
from api.image_sets.creation import ImageSets, ImageSetWork
from api.image_sets.derived_files import DerivedFiles
from api.image_sets.file_cache import FileCache
from api.image_sets.quizzes import Quizzes
from api.image_sets.set_metadata import SetMetadata
from api.image_sets.storage import ImageSetStore, StoredRequest
from api.jobs.followed_jobs import FollowedJobs
from api.jobs.job_list import Jobs
from api.models.classifiers import Classifiers
from api.models.model import ModelInfo
from api.models.pool import Models
from api.models.syndrome_models import SyndromeModels
from api.models.worker import Worker
from api.operations.database import Database
from api.operations.file_stores import open_files
from api.operations.free_space import FreeSpace
from api.operations.metrics import Metrics
from api.operations.receipts import Receipts
from api.operations.state_folder import CACHE, check_layout, lock_state_folder
from api.photographs.assessments.cohort import Cohort
from api.photographs.assessments.job import AssessmentWork
from api.photographs.assessments.store import Assessments
from api.photographs.audit.entries import redact_purpose
from api.photographs.audit.record import Audit
from api.photographs.decoding import Decoder
from api.photographs.edit_job import EditWork
from api.photographs.edits import Edits
from api.photographs.erasure import Eraser
from api.photographs.explanations.job import ExplanationWork
from api.photographs.explanations.store import Explanations
from api.photographs.inversion_job import InversionWork
from api.photographs.job_context import JobContext
from api.photographs.storage import Photographs
from api.photographs.survey_pack_job import SurveyPackWork
from api.photographs.survey_packs import SurveyPacks
from api.problem_types import ProblemType
from api.problems import Problem
from api.provenance.content_credentials import Credentials, open_credentials
from api.provenance.marks import Marker
from api.provenance.registry import Registry
from api.settings import Settings
from faces.conditions.catalogue import Catalogue, load_catalogue

_THREADS: Final = 2
_DECODING_THREADS: Final = 1
_DECODING_REQUESTS: Final = 8
"""Requests of one owner that wait for a decoder; each may hold a picture of the largest size."""


@dataclass(frozen=True)
class Resources:
    """Resources that the lifespan of the application opens and closes.

    Attributes:
        work: threads of requests that make or store something.
        recognition: threads of requests that decode pictures.
        streams: threads of event streams.
        followed_jobs: jobs that event streams follow.
    """

    settings: Settings
    catalogue: Catalogue
    database: Database
    store: ImageSetStore
    worker: Worker
    jobs: Jobs
    sets: ImageSets
    keys: IdempotencyKeys
    api_keys: ApiKeys
    sessions: Sessions
    tickets: Tickets
    quiz_tokens: OpaqueTokens
    ownership: Ownership
    tenants: Tenants
    photographs: Photographs
    edits: Edits
    explanations: Explanations
    explanation_work: ExplanationWork
    classifiers: Classifiers
    assessments: Assessments
    cohort: Cohort
    syndrome_models: SyndromeModels
    survey_packs: SurveyPacks
    eraser: Eraser
    audit: Audit
    registry: Registry
    marker: Marker
    credentials: Credentials
    decoder: Decoder
    metrics: Metrics
    cache: FileCache
    free_space: FreeSpace
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
        with ExitStack() as opened:
            settings.state.mkdir(parents=True, exist_ok=True)
            free_space = FreeSpace(settings.state, settings.min_free_mb << 20)
            free_space.keep_reserve()
            database = Database.open(settings.state, settings.database_url)
            opened.callback(database.close)
            check_layout(settings.state)
            files = open_files(settings.storage, settings.state)
            engine, store, audit = database.engine, ImageSetStore(files, metrics), Audit.open(database)
            opened.callback(audit.close)
            ownership, idempotency_keys, tenants = Ownership(engine), IdempotencyKeys(engine), Tenants(engine)
            registry, secret, api_keys = Registry(engine), load_or_create_secret(database), ApiKeys(engine)
            sealed = SealedFiles(files, SubjectKeys.open(database, settings.server_keys))
            purposes = partial(redact_purpose, named=settings.named_purposes, secret=secret)
            photographs = Photographs(sealed, database, audit, purposes)
            edits, survey_packs = Edits(sealed, engine), SurveyPacks(sealed, engine)
            explanations = Explanations(sealed, engine)
            classifiers = Classifiers(settings.classifiers, settings.model_memory_mb << 20)
            assessments, cohort = Assessments(sealed, engine), Cohort(sealed, engine)
            syndrome_models = SyndromeModels(settings.syndromes, settings.model_memory_mb << 20)
            eraser = Eraser(
                database,
                photographs,
                edits,
                explanations,
                assessments,
                cohort,
                survey_packs,
                audit=audit,
                receipts=Receipts(open_files(settings.receipts, settings.state) if settings.receipts else files),
                forget_jobs=lambda subject: jobs.forget(subject),  # the jobs need the eraser, and are opened below
                ownership=ownership,
                idempotency_keys=idempotency_keys,
                free_space=free_space,
                metrics=metrics,
            )
            worker = Worker(partial(load, settings), metrics)
            opened.callback(worker.close)
            set_work = ImageSetWork(
                store,
                worker,
                registry,
                ownership,
                classifiers=classifiers,
                locks=database.locks,
                max_images=settings.max_images_per_set,
                max_waiting=settings.max_waiting,
                metrics=metrics,
            )
            context = JobContext(
                photographs=photographs,
                edits=edits,
                survey_packs=survey_packs,
                eraser=eraser,
                worker=worker,
                decoder=Decoder(max_pixels=settings.max_photo_pixels),
                marker=Marker(secret),
                registry=registry,
                ownership=ownership,
                synthetic_face=set_work.face,
                precision=settings.precision,
                metrics=metrics,
            )
            explanation_work = ExplanationWork(context, explanations, classifiers, store.image_file)
            jobs = Jobs(
                database,
                {
                    Kind.IMAGE_SET: set_work,
                    Kind.PHOTO: InversionWork(context),
                    Kind.EDIT: EditWork(context),
                    Kind.STIMULI: SurveyPackWork(context),
                    Kind.EXPLANATION: explanation_work,
                    Kind.ASSESSMENT: AssessmentWork(context, assessments, cohort, syndrome_models),
                },
                concurrent=0 if settings.role == "api" else settings.concurrent_jobs,
                most_open=(settings.max_open_jobs, settings.max_open_jobs_per_owner),
                check_images=tenants.check_images,
                is_space_scarce=free_space.is_scarce,
                metrics=metrics,
                lost=partial(os.kill, os.getpid(), signal.SIGTERM),
            )
            opened.pop_all()  # from here on, `close` closes them
        return cls(
            settings=settings,
            catalogue=catalogue,
            database=database,
            store=store,
            worker=worker,
            jobs=jobs,
            sets=ImageSets(store, set_work, jobs, ownership, database.locks, at_once=settings.role == "all"),
            keys=idempotency_keys,
            api_keys=api_keys,
            sessions=Sessions(engine, api_keys, secret, map(Scope, settings.scopes_of_users)),
            tickets=Tickets(engine),
            quiz_tokens=OpaqueTokens(secret, "quiz"),
            ownership=ownership,
            tenants=tenants,
            photographs=photographs,
            edits=edits,
            explanations=explanations,
            explanation_work=explanation_work,
            classifiers=classifiers,
            assessments=assessments,
            cohort=cohort,
            syndrome_models=syndrome_models,
            survey_packs=survey_packs,
            eraser=eraser,
            audit=audit,
            registry=registry,
            marker=context.marker,
            credentials=credentials,
            decoder=context.decoder,
            metrics=metrics,
            cache=FileCache(settings.state / CACHE, settings.cache_mb << 20),
            free_space=free_space,
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


def reserve_state_folder(settings: Settings) -> AbstractContextManager[None]:
    """Keep a second service from using the state folder, unless both share a database.

    Raises:
        ConfigError: another service uses it.
    """
    return nullcontext() if settings.database else lock_state_folder(settings.state)
