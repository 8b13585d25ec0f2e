"""Receipts of erasures, which are files outside the database.

A backup of the state folder leaves them out, and they can be kept in a store of their own. After a backup is restored
they are newer than its database, and name what has to be erased from it again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from api.operations.file_stores import Files
from api.operations.state_folder import RECEIPTS

_SUFFIX: Final = ".json"


class Receipts:
    """Store of the receipts of photographs and survey packs that were erased before their time was over.

    What is erased when its time is over needs no receipt: a service on a restored backup erases it by itself.

    Args:
        files: where the receipts are.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        files.keep_private(RECEIPTS)

    def write(self, folder: str, receipt: Mapping[str, Any]) -> None:
        """Store the receipt of a photograph or survey pack, given the folder of its files.

        Raises:
            StorageError: it cannot be stored; nothing must be erased then.
        """
        self._files.write(f"{RECEIPTS}/{folder}{_SUFFIX}", json.dumps(dict(receipt)).encode())

    def read(self, folder: str) -> Mapping[str, Any] | None:
        """Return the receipt of a photograph or survey pack, given the folder of its files; None if there is none.

        Raises:
            StorageError: the receipts cannot be reached.
        """
        data = self._files.find(f"{RECEIPTS}/{folder}{_SUFFIX}")
        return None if data is None else dict(json.loads(data))

    def list_folders(self) -> set[str]:
        """Return the folders of the files of everything that has a receipt."""
        return {name.removesuffix(_SUFFIX) for name in self._files.names(RECEIPTS)}
