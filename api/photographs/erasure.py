"""Erasure of photographs and of what is made from them, on request and when their time is over; each is recorded."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import anyio
import anyio.to_thread

from api.access.api_keys import SERVICE, Caller
from api.access.idempotency import KEPT_S, IdempotencyKeys
from api.access.ownership import Ownership
from api.operations.clock import lead_s, now_ms
from api.operations.database import Database
from api.operations.free_space import FreeSpace
from api.operations.metrics import Cause, Metrics
from api.operations.receipts import Receipts
from api.operations.state_folder import EXPLANATIONS
from api.photographs.assessments.cohort import Cohort
from api.photographs.assessments.store import Assessments
from api.photographs.audit.record import AuditRecord
from api.photographs.edits import Edits, FaceStore
from api.photographs.explanations.store import Explanations
from api.photographs.records import (
    COHORT,
    AssessmentRecord,
    CohortMember,
    EditRecord,
    ErasureCause,
    ExplanationRecord,
    Receipt,
    new_id,
)
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from core.errors import GestaltError

ERASE_PHOTO: Final = "erase photograph"
ERASE_ORIGINAL: Final = "erase original"
ERASE_PACK: Final = "erase survey pack"
LEAVE_COHORT: Final = "leave cohort"

SWEEP_EVERY_S: Final = 15.0
"""Seconds between two looks for what is over its time."""

_LEAD_S: Final = 60.0
"""Seconds by which the machine's clock may be set before the log says so."""
_METRIC_LABELS: Final[dict[ErasureCause, Cause]] = {
    ErasureCause.REQUESTED: "request",
    ErasureCause.EXPIRED: "retention",
    ErasureCause.NOT_ACCEPTED: "not_accepted",
    ErasureCause.REPEATED: "repeated",
}
_log = logging.getLogger("gestaltgen.erasing")

_Derived = ExplanationRecord | AssessmentRecord
"""Record of what can be erased alone, is recorded then, and stays erased."""


class Eraser:
    """Erases photographs, survey packs, explanations and assessments with all that is derived from them.

    Each erasure is recorded before it begins, and again with its outcome when it ends. What cannot be recorded, or
    needs a receipt that cannot be stored, is not erased.

    Args:
        database: of the service.
        photographs, edits, explanations, assessments, cohort, survey_packs: the stores.
        audit: the audit record.
        receipts: of erasures.
        forget_jobs: removes the jobs of an object, given its id.
        ownership: of all objects.
        idempotency_keys: of all requests.
        free_space: its reserve is given up where an erasure could not be recorded otherwise.
        metrics: of the service.
    """

    def __init__(
        self,
        database: Database,
        photographs: Photographs,
        edits: Edits,
        explanations: Explanations,
        assessments: Assessments,
        cohort: Cohort,
        survey_packs: SurveyPacks,
        *,
        audit: AuditRecord,
        receipts: Receipts,
        forget_jobs: Callable[[str], None],
        ownership: Ownership,
        idempotency_keys: IdempotencyKeys,
        free_space: FreeSpace,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._photographs = photographs
        self._edits = edits
        self._explanations = explanations
        self._assessments = assessments
        self._cohort = cohort
        self._survey_packs = survey_packs
        self._audit = audit
        self.receipts = receipts
        self._forget_jobs = forget_jobs
        self._ownership = ownership
        self._idempotency_keys = idempotency_keys
        self._free_space = free_space
        self._metrics = metrics

    @contextmanager
    def block_erasure(self, *photos: str, pack: str | None = None, derived: _Derived | None = None) -> Iterator[None]:
        """Prevent erasures while something that is derived from photographs is written.

        Without a shared lock another process may erase all the same. It deletes files before and after it removes the
        record; what was written in between is deleted either by it or here, where the record is looked up once more.

        Args:
            photos: ids of the photographs.
            pack: id of a survey pack that is being made from them.
            derived: explanation or assessment that is being made.

        Raises:
            GestaltError: one of them was erased before, or by another process meanwhile.
        """
        with self._database.locks.hold("photographs"):
            self._check_existence(photos, pack, derived)
            try:
                yield
            finally:
                self._check_existence(photos, pack, derived)

    def erase_photograph(self, photo: str, caller: Caller, cause: ErasureCause) -> Receipt | None:
        """Erase a photograph with all that is derived from it, survey packs included.

        Files, records, jobs, ownership and Idempotency-Keys are erased.

        Returns:
            The receipt; None if the photograph was erased before.

        Raises:
            AuditError: the erasure cannot be recorded, and so is not done.
            StorageError: files or receipts cannot be reached.
        """
        self._free_space.release_reserve()
        with self.block_erasure():
            packs = self._survey_packs.list_of_photograph(photo)
            stores = (self._edits, self._explanations, self._assessments)
            derived = [record.id for store in stores for record in store.list_of_parent(photo)]
            receipt = None if self._photographs.get(photo) is None else self.erase_files(photo, caller, cause)
        self._forget(photo, *derived, *packs)
        if receipt is not None:
            self._metrics.count_erasure(_METRIC_LABELS[cause])
        return receipt

    def find_receipt(self, photo: str, owner: str) -> Receipt | None:
        """Return the receipt of a photograph that an owner erased; None if there is none, or it was another owner.

        Raises:
            AuditError: the audit record, which knows the owner, cannot be read.
            StorageError: the receipts cannot be reached.
        """
        known = self._audit.entries(photo=photo, owners=(owner,), outcomes=["done"])
        if not any(entry.action == ERASE_PHOTO for entry in known):
            return None
        stored = self.receipts.read(self._photographs.folder(photo))
        return None if stored is None else Receipt(**stored)

    def erase_pack(self, pack: str, caller: Caller, cause: ErasureCause) -> None:
        """Erase a survey pack: files, records, jobs, ownership and Idempotency-Keys.

        Raises:
            AuditError: the erasure cannot be recorded, and so is not done.
            StorageError: files or receipts cannot be reached.
        """
        self._free_space.release_reserve()
        with self.block_erasure():
            if cause is not ErasureCause.EXPIRED:
                self.receipts.write(self._survey_packs.folder(pack), {"erased_ms": now_ms(), "because": cause})
            self._erase_pack_files(pack, caller)
        self._forget(pack)

    def erase_edit(self, edit: EditRecord) -> None:
        """Erase an edit: files, record, jobs, ownership and Idempotency-Keys."""
        self._edits.remove(edit)
        self._forget(edit.id)

    def erase_derived(self, record: _Derived, caller: Caller, cause: ErasureCause) -> None:
        """Erase an explanation or assessment: files, record, jobs, ownership and Idempotency-Keys.

        One of a photograph is recorded.

        Raises:
            AuditError: the erasure cannot be recorded, and so is not done.
            StorageError: files or receipts cannot be reached.
        """
        self._free_space.release_reserve()
        store = self._store_of(record)
        with self.block_erasure():
            if record.photos:
                self.receipts.write(f"{store.name}/{record.id}", {"erased_ms": now_ms(), "because": cause})
                with self._record_erasure(caller, f"erase {record.kind}", *record.photos):
                    store.remove(record)
            else:
                store.remove(record)
            store.delete_files(record)  # again, for the reason in `block_erasure`
        self._forget(record.id)

    def leave_cohort(self, member: CohortMember, caller: Caller, cause: ErasureCause) -> None:
        """Remove a photograph from the cohort, with its details and its descriptor.

        Raises:
            AuditError: it cannot be recorded, and so is not done.
            StorageError: files or receipts cannot be reached.
        """
        self._free_space.release_reserve()
        with self.block_erasure():
            self.receipts.write(f"{COHORT.name}/{member.id}", {"erased_ms": now_ms(), "because": cause})
            with self._record_erasure(caller, LEAVE_COHORT, member.photo):
                self._cohort.leave(member.photo)
        self._empty_change_log()

    def erase_original(self, photo: str) -> None:
        """Delete the file that was sent.

        Raises:
            AuditError: the erasure cannot be recorded, and so is not done.
        """
        self._free_space.release_reserve()
        with self.block_erasure():
            if self._photographs.has_original(photo):
                with self._record_erasure(SERVICE, ERASE_ORIGINAL, photo):
                    self._photographs.files.delete(self._photographs.original_path(photo))

    def find_expired(self, at_ms: int) -> tuple[list[str], list[str]]:
        """Return the photographs and the survey packs whose time is over at a Unix time."""
        return self._photographs.find_expired(at_ms), self._survey_packs.find_expired(at_ms)

    def erase_expired(self) -> None:
        """Erase photographs, survey packs and Idempotency-Keys whose time is over, and originals left by jobs.

        A failed erasure is logged, and tried again by the next call.
        """
        self._free_space.keep_reserve()
        with self._database.locks.hold("erasing"):  # by one process at a time, so that each erasure is recorded once
            self._erase_expired()

    def repeat_erasures(self) -> None:
        """Erase again what has a receipt and exists: it came back with a backup, or its erasure was interrupted.

        Raises:
            AuditError: an erasure cannot be recorded.
            StorageError: files or receipts cannot be reached.
        """
        with self._database.locks.hold("erasing"):
            erased = self.receipts.list_folders()
            photos = [photo for photo in self._photographs.list_ids() if self._photographs.folder(photo) in erased]
            for photo in photos:
                self.erase_photograph(photo, SERVICE, ErasureCause.REPEATED)
            packs = [pack for pack in self._survey_packs.list_ids() if self._survey_packs.folder(pack) in erased]
            for pack in packs:
                self.erase_pack(pack, SERVICE, ErasureCause.REPEATED)
            derived = [
                record
                for store in (self._explanations, self._assessments)
                for one in store.list_ids()
                if f"{store.name}/{one}" in erased and (record := store.get(one)) is not None
            ]
            for record in derived:
                self.erase_derived(record, SERVICE, ErasureCause.REPEATED)
            members = [one for one in self._cohort.list_all() if f"{COHORT.name}/{one.id}" in erased]
            for member in members:
                self.leave_cohort(member, SERVICE, ErasureCause.REPEATED)
        if erased:
            _log.info("%d receipts of erasures: what they name stays erased", len(erased))
        if photos or packs or derived or members:
            counts = len(photos), len(packs), len(derived), len(members)
            _log.warning(
                "%d photographs, %d survey packs, %d explanations and assessments, and %d members of cohorts were "
                "erased again",
                *counts,
            )

    @asynccontextmanager
    async def erase_regularly(self) -> AsyncIterator[None]:
        """Repeat erasures that a backup undid; then erase what is expired, at once and every 15 seconds."""
        await anyio.to_thread.run_sync(self.repeat_erasures)

        async def sweep() -> None:
            lead = 0.0
            while True:
                if abs(lead_s() - lead) > _LEAD_S:
                    lead = lead_s()
                    _log.warning(
                        "the machine's clock is %+.0f s off the time that the service has counted since its start, and "
                        "that times are kept by: start it again if the clock is right now",
                        lead,
                    )
                try:
                    await anyio.to_thread.run_sync(self.erase_expired)
                except Exception:  # the database or the store cannot be reached; the service goes on
                    self._metrics.erasure_failures.inc()
                    _log.exception("expired photographs and survey packs could not be looked up")
                await anyio.sleep(SWEEP_EVERY_S)

        async with anyio.create_task_group() as group:
            group.start_soon(sweep)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    def erase_files(self, photo: str, caller: Caller, cause: ErasureCause) -> Receipt:
        """Erase files and records of a photograph and of all that is derived from it, and store a receipt.

        Raises:
            AuditError: the erasure cannot be recorded, and so is not done.
        """
        with self.block_erasure(), self._record_erasure(caller, ERASE_PHOTO, photo):
            return self._erase_files(photo, caller, cause)

    def _erase_files(self, photo: str, caller: Caller, cause: ErasureCause) -> Receipt:
        packs = self._survey_packs.list_of_photograph(photo)
        for pack in packs:
            self._erase_pack_files(pack, caller)
        files, folder = self._photographs.files, self._photographs.folder(photo)
        names = files.names(folder)
        erased = {
            "originals": names.count("original"),
            "crops": names.count("crop.png"),
            "landmarks": names.count("landmarks.json"),
            "latents and offsets": names.count("inversion.safetensors"),
            "reconstructions": names.count("reconstruction.png"),
            "edits": sum(name.startswith("edits/") for name in names) // 2,
            "maps of explanations": sum(name.startswith(f"{EXPLANATIONS}/") for name in names),
            "assessments": len(self._assessments.list_of_parent(photo)),
            "places in a cohort": int(self._cohort.find(photo) is not None),
            "survey packs": len(packs),
        }
        receipt = Receipt(new_id(), photo, now_ms(), erased, cause)
        if cause is not ErasureCause.EXPIRED:
            self.receipts.write(folder, vars(receipt))
        files.delete_tree(folder)
        self._edits.remove_of_photograph(photo)
        self._explanations.remove_of_photograph(photo)
        self._assessments.remove_of_photograph(photo)
        self._cohort.remove_of_photograph(photo)
        self._photographs.remove(photo)
        files.delete_tree(folder)  # again, for the reason in `block_erasure`
        return receipt

    def _erase_pack_files(self, pack: str, caller: Caller) -> None:
        record = self._survey_packs.get(pack)
        files, folder = self._survey_packs.files, self._survey_packs.folder(pack)
        with self._record_erasure(caller, ERASE_PACK, *(record.photos if record else ())):
            files.delete_tree(folder)
            self._survey_packs.remove(pack)
            files.delete_tree(folder)  # again, for the reason in `block_erasure`

    def _erase_expired(self) -> None:
        self._idempotency_keys.forget_before(now_ms() - 1000 * KEPT_S)
        photos, packs = self.find_expired(now_ms())
        for photo in photos:
            try:
                self.erase_photograph(photo, SERVICE, ErasureCause.EXPIRED)
            except Exception:
                self._metrics.erasure_failures.inc()
                _log.exception("a photograph could not be erased")
        for pack in packs:
            try:
                self.erase_pack(pack, SERVICE, ErasureCause.EXPIRED)
            except Exception:
                self._metrics.erasure_failures.inc()
                _log.exception("a survey pack could not be erased")
        for photo in self._photographs.find_leftover_originals():
            try:
                self.erase_original(photo)
            except Exception:
                _log.exception("an original could not be erased")

    def _store_of(self, record: _Derived) -> FaceStore[Any]:
        return self._explanations if isinstance(record, ExplanationRecord) else self._assessments

    def _check_existence(self, photos: tuple[str, ...], pack: str | None, derived: _Derived | None) -> None:
        """Delete the files of whatever was erased, and raise GestaltError for it."""
        if derived is not None and self._store_of(derived).get(derived.id) is None:
            self._store_of(derived).delete_files(derived)
            raise GestaltError(f"{derived.kind} {derived.id} was erased")
        if pack is not None and self._survey_packs.get(pack) is None:
            self._survey_packs.files.delete_tree(self._survey_packs.folder(pack))
            raise GestaltError(f"survey pack {pack} was erased")
        for photo in photos:
            if self._photographs.get(photo) is None:
                self._photographs.files.delete_tree(self._photographs.folder(photo))
                raise GestaltError(f"photograph {photo} was erased")

    @contextmanager
    def _record_erasure(self, caller: Caller, action: str, *photos: str) -> Iterator[None]:
        """Record the beginning and the outcome of an erasure.

        Raises:
            AuditError: the beginning cannot be recorded; nothing must be erased then.
        """
        purposes = self._photographs.find_purposes(photos)
        self._audit.record(caller, action, purposes, "begun")
        try:
            yield
        except BaseException:
            self._audit.record(caller, action, purposes, "failed")
            raise
        self._audit.record(caller, action, purposes, "done")

    def _forget(self, *subjects: str) -> None:
        """Remove jobs, ownership and Idempotency-Keys of erased objects, also from SQLite's log of changes."""
        for subject in subjects:
            self._forget_jobs(subject)
            self._ownership.take(subject)
            self._idempotency_keys.forget(subject)
        self._empty_change_log()

    def _empty_change_log(self) -> None:
        """Empty SQLite's log of changes, where deleted rows stay readable until others overwrite them."""
        if self._database.shared:
            return
        with self._database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
