"""The precision of what the service makes of faces: chosen, recorded, and kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from api.provenance.marks import read_claim
from core import tensor_files
from tests.api.lab import WAIT, good, of_sqlite, open_lab, phantom

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 3, "seed": 5}


def test_a_face_is_edited_in_the_precision_that_it_was_made_in(tmp_path: Path) -> None:
    """Photographs in the service's, images of a set in the set's; the results and the pictures say which."""
    with open_lab(tmp_path, precision="bfloat16") as lab:
        sent = good(lab.send(phantom(0)))
        assert sent["quality"]["precision"] == "bfloat16"
        reconstruction = lab.http.get(sent["links"]["reconstruction"]).content
        asked = good(lab.http.post("/v1/image-sets", json=SET | {"precision": "float32"}, headers=WAIT))
        for face, precision in ((sent["links"]["self"], "bfloat16"), (f"{asked['links']['self']}/images/1", "float32")):
            made = good(lab.http.post(f"{face}/edits", json={"strength": 1.0}, headers=WAIT))
            assert made["result"]["precision"] == precision
            pictures = [lab.http.get(made["links"][name]).content for name in ("image", "before")]
            for picture in pictures:
                claim = read_claim(picture)
                assert claim is not None
                assert claim.what["precision"] == precision
        claim = read_claim(reconstruction)
        assert claim is not None
        assert claim.what == {"method": "hyperstyle", "precision": "bfloat16"}
        assert good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))["request"]["precision"] == "bfloat16"


@of_sqlite
def test_what_was_stored_before_precision_was_told_is_of_float32(tmp_path: Path) -> None:
    with open_lab(tmp_path, precision="bfloat16") as lab:
        photo = lab.photo(0)
        made = good(lab.edit(photo, strength=1.0))
        files, inversion = lab.service.photographs.files, lab.service.photographs.inversion_path(photo)
        tensors, header = tensor_files.read(files.read(inversion))
        del header["precision"]
        files.write(inversion, tensor_files.to_bytes(tensors, header))
        for table in ("photos", "edits"):
            with closing(sqlite3.connect(tmp_path / "service.sqlite")) as database, database:
                column = "quality" if table == "photos" else "result"
                database.execute(f"UPDATE {table} SET {column} = json_remove({column}, '$.precision')")  # noqa: S608
        assert good(lab.http.get(f"/v1/photos/{photo}"))["quality"]["precision"] == "float32"
        assert good(lab.http.get(made["links"]["self"]))["result"]["precision"] == "float32"
        assert good(lab.edit(photo, strength=2.0))["result"]["precision"] == "float32"
