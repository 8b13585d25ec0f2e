"""Free space on the disk of the state folder: a floor for what is large, and a reserve for databases and audit."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from api.operations.state_folder import RESERVE
from api.problem_types import ProblemType
from api.problems import Problem

_RESERVE_BYTES: Final = 16 << 20
_FULL_BYTES: Final = 8 << 20
"""Free bytes below which the reserve is given up."""

_log = logging.getLogger("gestaltgen.space")


class FreeSpace:
    """Space that is left on the disk of the state folder.

    Below the floor nothing large is written: jobs pause and requests are refused, so that the databases have the rest.
    Where other programs fill the disk, the reserve file is deleted, so that erasures can still be recorded.

    Args:
        state: the state folder.
        floor_bytes: free bytes below which nothing large is written.
    """

    def __init__(self, state: Path, floor_bytes: int) -> None:
        self._state = state
        self._reserve = state / RESERVE
        self._floor_bytes = floor_bytes

    def is_scarce(self) -> bool:
        """Return whether less than the floor is free."""
        return self.measure() < self._floor_bytes

    def check(self) -> None:
        """Check that something large may be written.

        Raises:
            Problem: 503, less than the floor is free.
        """
        if self.is_scarce():
            raise Problem(
                ProblemType.STORAGE_UNAVAILABLE,
                "The service's disk is nearly full, and nothing new is stored; try again when the operator has made "
                "room, or erase what you do not need.",
                headers={"Retry-After": "60"},
            )

    def release_reserve(self) -> None:
        """Give up the reserve if the disk is full, so that what follows can be recorded.

        Only erasures do so: whatever fills the disk may take the space that is given up.
        """
        if self.measure() < _FULL_BYTES:
            self._reserve.unlink(missing_ok=True)

    def keep_reserve(self) -> None:
        """Take the reserve if it is not there and the disk has room for it."""
        if self._reserve.exists() or self.measure() < self._floor_bytes + _RESERVE_BYTES:
            return
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _RESERVE_BYTES)
        except OSError:  # the disk filled up meanwhile, or the file system cannot reserve space
            _log.warning("no space can be reserved for the databases")

    def measure(self) -> int:
        """Return the free bytes of the disk."""
        return shutil.disk_usage(self._state).free
