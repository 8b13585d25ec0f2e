"""Networks in the published layouts, from their files to an edited photograph over REST."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import numpy as np
from typer.testing import CliRunner

from api.app import create_app
from api.settings import Settings
from faces.images import Pixels, encode_png
from gestaltgen.cli.main import app
from tests.api.lab import CONSENT, WAIT, good
from tests.api.serving import serving
from tests.data.fill import filled
from tests.inversion.published.published_files import write_hyperstyle, write_w_encoder


def go(*arguments: object) -> None:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output


def test_hyperstyle_and_a_direction_edit_a_photograph_over_rest(tmp_path: Path, astronaut: Pixels) -> None:
    generator, smile = tmp_path / "ffhq.safetensors", tmp_path / "smile.npy"
    checkpoint, encoder = write_hyperstyle(tmp_path / "h.pt"), write_w_encoder(tmp_path / "w.pt")
    licence = ("--licence", "MIT")
    go("weights", "import", checkpoint, "--part", "inverter", "--w-encoder", encoder, "--out", generator, *licence)
    np.save(smile, filled("smile", (1, 16)))
    common = ("--generator", generator, "--space", "w", "--name", "smile", "--tried", 2, "--threads", 1)
    go("directions", "import", smile, *common, *licence)
    judges = Path(os.environ["GESTALTGEN_JUDGES"]) if "GESTALTGEN_JUDGES" in os.environ else None
    settings = Settings(state=tmp_path / "state", weights=generator, threads=1, without_keys=True, judges=judges)
    with serving(create_app(settings)) as url, httpx.Client(base_url=url, timeout=120) as http:
        (direction,) = good(http.get("/v1/directions"))["items"]
        assert (direction["name"], direction["accuracy"], direction["moves"]) == ("smile", None, None)
        assert direction["flags"]
        photo = good(http.post("/v1/photos", content=encode_png(astronaut), headers=CONSENT | WAIT))
        assert (photo["state"], photo["model"]) == ("done", "ffhq")
        assert photo["quality"]["verdict"] == "out of domain"  # filled networks show no face
        assert "identity" in photo["quality"]["because"]
        edit = good(http.post(photo["links"]["edits"], json={"strength": 0.5}, headers=WAIT))
        assert edit["state"] == "done", edit["error"]
        assert edit["result"]["inversion"] == "out of domain"
        assert edit["result"]["verdict"] in ("doubtful", "refused")
        assert (edit["result"]["judged_happy_after"] is None) == (judges is None)
        before, after = (http.get(edit["links"][name]).content for name in ("before", "image"))
        assert before != after
