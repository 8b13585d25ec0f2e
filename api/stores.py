"""Stores of a service: what it keeps in its database, its state folder and its store of files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from api.access.api_keys import ApiKeys
from api.access.idempotency import IdempotencyKeys
from api.access.ownership import Ownership
from api.access.tenants import Tenants
from api.encryption.key_store import SubjectKeys, load_or_create_secret
from api.encryption.sealed_files import SealedFiles
from api.image_sets.storage import ImageSetStore
from api.operations.database import Database
from api.operations.file_stores import Files, open_files
from api.operations.free_space import FreeSpace
from api.operations.metrics import Metrics
from api.operations.receipts import Receipts
from api.operations.state_folder import check_layout
from api.photographs.assessments.cohort import Cohort
from api.photographs.assessments.store import Assessments
from api.photographs.audit.entries import redact_purpose
from api.photographs.audit.record import AuditRecord
from api.photographs.edits import Edits
from api.photographs.erasure import Eraser
from api.photographs.explanations.store import Explanations
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from api.provenance.registry import Registry
from api.settings import Settings


@dataclass(frozen=True)
class Stores:
    """Stores that the service reads and writes.

    Attributes:
        settings, metrics: of the service.
        files: sealed and unsealed files.
        secret: of the service, for digests and tokens.
        keys: Idempotency-Keys of requests.
    """

    settings: Settings
    metrics: Metrics
    database: Database
    files: Files
    secret: bytes
    free_space: FreeSpace
    store: ImageSetStore
    registry: Registry
    audit: AuditRecord
    api_keys: ApiKeys
    keys: IdempotencyKeys
    ownership: Ownership
    tenants: Tenants
    photographs: Photographs
    edits: Edits
    explanations: Explanations
    assessments: Assessments
    cohort: Cohort
    survey_packs: SurveyPacks

    def make_eraser(self, forget_jobs: Callable[[str], None]) -> Eraser:
        """Return what erases from these stores.

        Args:
            forget_jobs: removes the jobs of an object, given its id.
        """
        receipts = self.settings.receipts
        return Eraser(
            self.database,
            self.photographs,
            self.edits,
            self.explanations,
            self.assessments,
            self.cohort,
            self.survey_packs,
            audit=self.audit,
            receipts=Receipts(open_files(receipts, self.settings.state) if receipts else self.files),
            forget_jobs=forget_jobs,
            ownership=self.ownership,
            idempotency_keys=self.keys,
            free_space=self.free_space,
            metrics=self.metrics,
        )


def open_stores(settings: Settings, metrics: Metrics, opened: ExitStack) -> Stores:
    """Open the database and the stores in it; `opened` closes them.

    Raises:
        GestaltError: one of them cannot be opened.
    """
    settings.state.mkdir(parents=True, exist_ok=True)
    free_space = FreeSpace(settings.state, settings.min_free_mb << 20)
    free_space.keep_reserve()
    database = Database.open(settings.state, settings.database_url)
    opened.callback(database.close)
    check_layout(settings.state)
    files, engine = open_files(settings.storage, settings.state), database.engine
    audit = AuditRecord.open(database)
    opened.callback(audit.close)
    secret = load_or_create_secret(database)
    sealed = SealedFiles(files, SubjectKeys.open(database, settings.server_keys))
    purposes = partial(redact_purpose, named=settings.named_purposes, secret=secret)
    return Stores(
        settings=settings,
        metrics=metrics,
        database=database,
        files=files,
        secret=secret,
        free_space=free_space,
        store=ImageSetStore(files, metrics),
        registry=Registry(engine),
        audit=audit,
        api_keys=ApiKeys(engine),
        keys=IdempotencyKeys(engine),
        ownership=Ownership(engine),
        tenants=Tenants(engine),
        photographs=Photographs(sealed, database, audit, purposes),
        edits=Edits(sealed, engine),
        explanations=Explanations(sealed, engine),
        assessments=Assessments(sealed, engine),
        cohort=Cohort(sealed, engine),
        survey_packs=SurveyPacks(sealed, engine),
    )
