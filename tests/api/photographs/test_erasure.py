"""Two processes with one database and one store: one erases photographs and packs that the other writes."""

from __future__ import annotations

import json
import os
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
from api.operations.database import Database
from api.operations.file_stores import Files, open_files
from api.operations.free_space import FreeSpace
from api.operations.metrics import Metrics
from api.photographs.audit import Audit, redact_purpose
from api.photographs.edits import Edits
from api.photographs.erasure import Eraser
from api.photographs.records import ErasureCause, PackRecord, Photograph, Receipt, new_id, now_ms
from api.photographs.storage import Photographs
from api.photographs.survey_packs import SurveyPacks
from core.errors import GestaltError
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


def open_process(database: Database, url: str) -> Process:
    files = SealedFiles(open_files(url, database.state), SubjectKeys.open(database))
    purpose, audit, engine = partial(redact_purpose, named=(), secret=b"secret"), Audit.open(database), database.engine
    photographs, packs = Photographs(files, database, audit, purpose), SurveyPacks(files, engine)
    eraser = Eraser(
        database,
        photographs,
        Edits(files, engine),
        packs,
        audit=audit,
        forget_jobs=lambda _: None,
        ownership=Ownership(engine),
        idempotency_keys=IdempotencyKeys(engine),
        free_space=FreeSpace(database.state, 0),
        metrics=Metrics(),
    )
    return Process(photographs, packs, eraser, database)


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
            other.eraser.erase_pack(pack, SERVICE)
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
