"""Checks of the chain of hashes: every change, gap and swap of entries shows, and is told apart.

Anybody with a copy can check the chain; no secret is needed, and none protects it: who can rewrite the whole record can
rebuild the chain. A head that was noted elsewhere (`AuditRecord.head`) reveals that too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from api.operations.state_folder import AUDIT_DATABASE
from api.photographs.audit.entries import GENESIS, Entry, Head
from core.errors import AuditError

ENTRIES_PER_REPORT: Final = 10_000
"""Entries that are checked between two reports of progress."""


class AuditFault(StrEnum):
    """Kind of damage that a check of the record finds."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    REBUILT = "rebuilt"
    """The chain from some entry on was computed again, or cut off and continued; only a noted head reveals that."""


class BrokenAuditError(AuditError):
    """The record was tampered with, or is damaged.

    Attributes:
        fault: kind of the damage.
        entry: number of the first entry at fault.
    """

    def __init__(self, fault: AuditFault, entry: int, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.entry = entry


def verify_chain(
    entries: Iterable[Entry],
    *,
    expected: Head | None,
    progress: Callable[[int], None] | None,
    count: Callable[[], int],
    is_stored: Callable[[str], bool],
) -> Head:
    """Check every entry of a record, and that it holds a head that was noted earlier.

    Args:
        entries: all entries in the order of their numbers.
        expected: a head that was noted earlier; the record may have grown since.
        progress: called with the number of entries checked so far.
        count: returns the number of the last entry.
        is_stored: says whether some entry has a hash.

    Returns:
        The current head.

    Raises:
        BrokenAuditError: an entry was changed, is missing or is out of place.
    """
    last = Head(0, GENESIS)
    at_expected = last.hash if expected is not None and expected.seq == 0 else None
    for entry in entries:
        if not _follows(entry, last):
            fault, seq, description = _diagnose(entry, last, count, is_stored)
            raise BrokenAuditError(fault, seq, f"the audit record is broken: {description}")
        last = Head(entry.seq, entry.hash)
        if expected is not None and entry.seq == expected.seq:
            at_expected = entry.hash
        if progress is not None and not entry.seq % ENTRIES_PER_REPORT:
            progress(entry.seq)
    if expected is not None:
        _check_expected(expected, at_expected, last)
    return last


def check_end(end: Sequence[Entry]) -> None:
    """Check that the last entry is unchanged and follows the one before. It is cheap; it does not replace `verify`.

    Args:
        end: the last two entries, the last one first, or as many as there are.

    Raises:
        BrokenAuditError: it is changed, or does not follow.
    """
    if not end:
        return
    last, before = end[0], Head(end[1].seq, end[1].hash) if len(end) > 1 else Head(0, GENESIS)
    if not _follows(last, before):
        raise BrokenAuditError(
            AuditFault.CHANGED,
            last.seq,
            f"the audit record is broken at its end, entry {last.seq}; `gestaltgen audit verify` says where first: "
            f"keep {AUDIT_DATABASE} as it is, and move it out of the state folder to begin a new record",
        )


def _follows(entry: Entry, last: Head) -> bool:
    """Return whether an entry is unchanged and comes right after a head."""
    return entry.seq == last.seq + 1 and entry.previous == last.hash and entry.compute_hash() == entry.hash


def _check_expected(expected: Head, at_expected: str | None, last: Head) -> None:
    """Refuse a record that lacks the head noted earlier; `at_expected` is its hash there, None if it ends before."""
    if at_expected is None:
        raise BrokenAuditError(
            AuditFault.MISSING,
            last.seq + 1,
            f"the audit record is broken: entries {last.seq + 1} to {expected.seq} are missing at its end; "
            f"expected the head {expected}",
        )
    if at_expected != expected.hash:
        raise BrokenAuditError(
            AuditFault.REBUILT,
            expected.seq,
            f"the audit record is broken: entry {expected.seq} was changed, or one before it, and the chain "
            f"rebuilt; its hash is {at_expected}, expected the head {expected}",
        )


def _diagnose(
    entry: Entry, last: Head, count: Callable[[], int], is_stored: Callable[[str], bool]
) -> tuple[AuditFault, int, str]:
    """Return the fault where the chain first breaks, the number of the entry at fault, and a description."""
    seq = last.seq + 1
    if entry.seq != seq:
        gone = f"entry {seq} is" if entry.seq == seq + 1 else f"entries {seq} to {entry.seq - 1} are"
        return AuditFault.MISSING, seq, f"{gone} missing"
    if entry.compute_hash() == entry.hash:
        if seq == 1:
            return AuditFault.CHANGED, 1, "entry 1 was changed: it does not begin the chain"
        reason = f"entry {seq - 1} was changed, and its hash with it: entry {seq} follows another one"
        return AuditFault.CHANGED, seq - 1, reason
    before = _find_original_number(entry, range(1, 2 * count() + 2))
    if before is None:
        return AuditFault.CHANGED, seq, f"entry {seq} was changed: its hash is not that of its content"
    if not is_stored(entry.previous) and entry.previous != GENESIS:
        return AuditFault.MISSING, seq, f"entry {seq} is missing: entry {before} was put into its place"
    return AuditFault.REORDERED, seq, f"entry {seq} is reordered: it was entry {before}"


def _find_original_number(entry: Entry, numbers: range) -> int | None:
    """Return the number that an entry had when it was hashed; None if another field was changed."""
    return next((n for n in numbers if replace(entry, seq=n).compute_hash() == entry.hash), None)
