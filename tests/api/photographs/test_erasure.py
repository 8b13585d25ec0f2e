"""Erasures beside another process that writes, and after a backup from before them is restored."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from api.access.api_keys import SERVICE
from api.access.idempotency import IdempotencyKeys
from api.access.ownership import Ownership
from api.encryption.key_store import SubjectKeys
from api.encryption.sealed_files import SealedFiles
from api.operations.backup import copy_state_folder
from api.operations.clock import now_ms
from api.operations.database import Database
from api.operations.file_stores import Files, open_files
from api.operations.free_space import FreeSpace
from api.operations.metrics import Metrics
from api.operations.receipts import Receipts
from api.photographs.assessments.cohort import Cohort
from api.photographs.assessments.store import Assessments
from api.photographs.audit.entries import redact_purpose
from api.photographs.audit.record import AuditRecord
from api.photographs.edits import Edits
from api.photographs.erasure import Eraser
from api.photographs.explanations.store import Explanations
from api.photographs.records import (
    EditRecord,
    ErasureCause,
    PackRecord,
    Photograph,
    PhotographFace,
    Receipt,
    new_id,
)
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from core.errors import GestaltError, StorageError
from tests.api.lab import of_sqlite, tables_naming
from tests.api.stores import bucket_url

without_shared_locks = pytest.mark.skipif(
    "GESTALTGEN_TEST_POSTGRESQL" in os.environ, reason="there one process waits for the other"
)


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return bucket_url(str(tmp_path))
    return f"file://{tmp_path}/shared" if request.param == "file" else f"memory://{tmp_path}"


@dataclass(frozen=True)
class Process:
    """What one process has of photographs."""

    photographs: Photographs
    edits: Edits
    survey_packs: SurveyPacks
    eraser: Eraser
    database: Database

    @property
    def files(self) -> Files:
        return self.photographs.files


@pytest.fixture
def processes(url: str, tmp_path: Path) -> Iterator[tuple[Process, Process]]:
    """Two processes with one database."""
    with closing(Database.open(tmp_path)) as one, closing(Database.open(tmp_path)) as other:
        yield open_process(one, url), open_process(other, url)


def open_process(database: Database, url: str | None) -> Process:
    files = SealedFiles(open_files(url, database.state), SubjectKeys.open(database))
    purpose, audit, engine = (
        partial(redact_purpose, named=(), secret=b"secret"),
        AuditRecord.open(database),
        database.engine,
    )
    photographs, packs = Photographs(files, database, audit, purpose), SurveyPacks(files, engine)
    edits = Edits(files, engine)
    eraser = Eraser(
        database,
        photographs,
        edits,
        Explanations(files, engine),
        Assessments(files, engine),
        Cohort(files, engine),
        packs,
        audit=audit,
        receipts=Receipts(files),
        forget_jobs=lambda _: None,
        ownership=Ownership(engine),
        idempotency_keys=IdempotencyKeys(engine),
        free_space=FreeSpace(database.state, 0),
        metrics=Metrics(),
    )
    return Process(photographs, edits, packs, eraser, database)


def send(photographs: Photographs) -> str:
    """Take a photograph in, and return its id."""
    photo, now = new_id(), now_ms()
    photographs.add(
        Photograph(photo, "lab", "phantom128", "form", "research", False, True, now, now + 60_000, "image/png")
    )
    photographs.files.write(photographs.original_path(photo), b"a photograph")
    return photo


def left(files: Files) -> list[str]:
    return [name for name in files.names("") if name.startswith(("photos/", "stimuli/", "edits/"))]


def keys_left(process: Process) -> list[str]:
    with process.database.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT subject FROM sealing_keys").scalars())


def test_what_one_takes_in_the_other_reads(processes: tuple[Process, Process]) -> None:
    one, other = processes
    photo = send(one.photographs)
    assert other.photographs.has_original(photo)
    assert other.files.read(other.photographs.original_path(photo)) == b"a photograph"
    other.eraser.erase_original(photo)
    assert not one.photographs.has_original(photo)


def test_what_is_left_of_originals_is_found_by_the_other(processes: tuple[Process, Process]) -> None:
    one, other = processes
    first, second = send(one.photographs), send(one.photographs)
    assert other.photographs.find_leftover_originals() == []
    one.photographs.record_failure(first, "no face")
    one.photographs.record_inversion(second, json.loads("{}"), "")
    one.eraser.erase_original(second)
    assert other.photographs.find_leftover_originals() == [first]


@without_shared_locks
def test_of_what_is_erased_while_another_writes_nothing_stays(processes: tuple[Process, Process]) -> None:
    one, other = processes
    photo, receipts = send(one.photographs), list[Receipt]()
    folder = one.photographs.folder(photo)

    def invert() -> None:
        with one.eraser.block_erasure(photo):
            one.files.write(f"{folder}/crop.png", b"a face")
            receipts.append(other.eraser.erase_files(photo, SERVICE, ErasureCause.REQUESTED))
            one.files.write(f"{folder}/reconstruction.png", b"a face")

    with pytest.raises(GestaltError, match=f"photograph {photo} was erased"):
        invert()
    [receipt] = receipts
    assert (receipt.erased["originals"], receipt.erased["crops"], receipt.erased["reconstructions"]) == (1, 1, 0)
    assert left(one.files) == []
    assert keys_left(one) == []


@without_shared_locks
def test_of_a_pack_that_is_erased_while_another_makes_it_nothing_stays(processes: tuple[Process, Process]) -> None:
    one, other = processes
    photo, pack, now = send(one.photographs), new_id(), now_ms()
    one.survey_packs.add(PackRecord(pack, "lab", (photo,), {}, now, now + 60_000))

    def make() -> None:
        with one.eraser.block_erasure(photo, pack=pack):
            other.eraser.erase_pack(pack, SERVICE, ErasureCause.REQUESTED)
            one.files.write(f"{one.survey_packs.folder(pack)}/pairs/0000.json", b"{}")

    with pytest.raises(GestaltError, match=f"survey pack {pack} was erased"):
        make()
    assert left(one.files) == [f"photos/{photo}/original"]
    assert keys_left(one) == [f"photos/{photo}"]


def test_what_is_written_before_it_is_forgotten_goes_too(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes
    photo, remove = send(one.photographs), other.photographs.remove

    def late(subject: str) -> None:
        one.files.write(f"{one.photographs.folder(photo)}/crop.png", b"a face")  # files are deleted, rows are not
        remove(subject)

    monkeypatch.setattr(other.photographs, "remove", late)
    other.eraser.erase_files(photo, SERVICE, ErasureCause.REQUESTED)
    assert left(one.files) == []
    assert keys_left(one) == []


def pack(process: Process, *photos: str) -> str:
    """Store a survey pack, and return its id."""
    packs, record = process.survey_packs, PackRecord(new_id(), "lab", photos, {}, now_ms(), now_ms() + 60_000)
    packs.add(record)
    packs.files.write(packs.archive_path(record.id), b"a zip")
    return record.id


@of_sqlite
def test_what_was_erased_stays_erased_when_a_backup_from_before_is_restored(tmp_path: Path) -> None:
    state, backup = tmp_path / "state", tmp_path / "backup"
    with closing(Database.open(state)) as database:
        lost = open_process(database, None)
        erased, kept = send(lost.photographs), send(lost.photographs)
        edit = EditRecord(new_id(), "lab", PhotographFace(erased), {}, now_ms())
        lost.edits.add(edit)
        lost.files.write(lost.edits.picture_path(edit), b"a smile")
        of_both, alone, other = pack(lost, erased, kept), pack(lost, kept), pack(lost, kept)
        copy_state_folder(state, backup)
        lost.eraser.erase_photograph(erased, SERVICE, ErasureCause.REQUESTED)
        lost.eraser.erase_pack(alone, SERVICE, ErasureCause.REQUESTED)
        after = left(lost.files)
    for survivor in ("server.keys", "receipts"):
        shutil.move(state / survivor, backup)
    with closing(Database.open(backup)) as database:
        restored = open_process(database, None)
        assert len(left(restored.files)) == len(after) + 4
        restored.eraser.repeat_erasures()
        assert left(restored.files) == after
        assert sorted(keys_left(restored)) == [f"photos/{kept}", f"stimuli/{other}"]
        for subject in (erased, edit.id, of_both, alone):
            assert tables_naming(backup, subject) == set()
        assert restored.files.read(restored.photographs.original_path(kept)) == b"a photograph"


def test_without_a_receipt_nothing_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("not mounted")

    monkeypatch.setattr(Receipts, "write", refuse)
    with closing(Database.open(tmp_path)) as database:
        process = open_process(database, None)
        photo = send(process.photographs)
        with pytest.raises(StorageError):
            process.eraser.erase_photograph(photo, SERVICE, ErasureCause.REQUESTED)
        assert process.files.read(process.photographs.original_path(photo)) == b"a photograph"
