"""Audit record: cost of an entry, by one thread and by several, and time to verify the chain.

`python -m benchmarks.load.audit --entries 1000000` writes that many entries into a temporary folder: some as the
service does, with a flush to the disk for each, the others many at a time.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from api.access.api_keys import Caller
from api.operations.database import Database
from api.photographs.audit.entries import Purpose
from api.photographs.audit.record import AuditRecord
from api.photographs.records import new_id
from benchmarks.load.serving import make_scratch_folder

CALLER: Final = Caller("genetics-lab", "0123abcd", frozenset())
ACTION: Final = "GET /v1/photos/{photo_id}/reconstruction.png"
PURPOSE: Final = Purpose("survey stimuli")
TARGET_S: Final = 60.0
"""Target for the verification of a million entries, in seconds."""

_AT_ONCE: Final = 10_000


def main(
    entries: Annotated[int, typer.Option(help="Number of entries.")] = 1_000_000,
    flushed: Annotated[int, typer.Option(help="Number of them with a flush each, by one thread and by 16.")] = 2_000,
) -> None:
    """Measure how fast the record of accesses grows, and how long its verification takes."""
    table = Table("what", "measured", box=None, pad_edge=False)
    with make_scratch_folder() as folder:
        audit = AuditRecord.open(Database.at(folder))
        for threads in (1, 16):
            each_s, rate = time_appends(audit, flushed // 2, threads)
            table.add_row(
                f"appended by {threads} {'thread' if threads == 1 else 'threads'}",
                f"{1000 * each_s:.2f} ms an entry, {rate:,.0f} a second",
            )
        began = time.perf_counter()
        for start in range(audit.head().seq, entries, _AT_ONCE):
            many = {new_id(): PURPOSE for _ in range(min(_AT_ONCE, entries - start))}
            audit.record(CALLER, ACTION, many, "done")
        rest = entries - flushed
        table.add_row(f"appended {_AT_ONCE:,} at a time", f"{rest / (time.perf_counter() - began):,.0f} a second")
        began = time.perf_counter()
        AuditRecord.open(Database.at(folder)).close()
        table.add_row("the look at the start", f"{1000 * (time.perf_counter() - began):.1f} ms")
        began = time.perf_counter()
        head = audit.verify()
        taken = time.perf_counter() - began
        aim = f"{TARGET_S * head.seq / 1e6:.1f} s are aimed at"
        table.add_row(f"{head.seq:,} entries verified", f"{taken:.1f} s ({head.seq / taken:,.0f} a second); {aim}")
        table.add_row("on the disk", f"{_count_bytes(folder) / head.seq:,.0f} bytes an entry")
        audit.close()
    Console(highlight=False).print(table)


def time_appends(audit: AuditRecord, entries: int, threads: int) -> tuple[float, float]:
    """Measure the seconds for which an entry keeps its thread, and the entries a second of several threads."""

    def append(_: int) -> float:
        began = time.perf_counter()
        audit.record(CALLER, ACTION, {new_id(): PURPOSE}, "done")
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        waited = list(pool.map(append, range(entries)))
    return sum(waited) / entries, entries / (time.perf_counter() - began)


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    typer.run(main)
