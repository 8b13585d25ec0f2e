"""Requests that Schemathesis generates from the OpenAPI document, and the server errors that they find."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.harness.figures import Figure
from benchmarks.load.options import LoadOptions
from benchmarks.load.serving import RunningService, make_scratch_folder, run_service
from gestaltgen_client import Client


def run_schemathesis(options: LoadOptions) -> Iterator[Figure]:
    """Run Schemathesis over the OpenAPI document, with identifiers of resources, and look for server errors."""
    command = options.schemathesis or shutil.which("schemathesis") or shutil.which("st")
    if command is None:
        yield Figure("schemathesis", "not found", "pip install schemathesis, or --schemathesis PATH")
        return
    for name, pause_s in (("free model", 0.0), ("real model", None)):
        with make_scratch_folder() as folder, run_service(folder / "state", pause_s=pause_s) as service:
            known = "".join(f'"path.{key}" = "{value}"\n' for key, value in _make_resources(service).items())
            methods = [f'[[operations]]\ninclude-method = "{one}"\n[operations.parameters]\n{known}' for one in _SAFE]
            (folder / "schemathesis.toml").write_text("".join(methods))
            run = [command, "run", f"{service.url}/openapi.json", "--checks", "not_a_server_error", "--no-color"]
            run += ["--max-examples", str(options.examples), "--seed", str(options.seed), "--request-timeout", "90"]
            run += ["--phases", "examples,coverage,fuzzing", "--continue-on-failure"]
            began = time.perf_counter()
            said = subprocess.run(run, capture_output=True, text=True, cwd=folder).stdout  # noqa: S603
            seconds = time.perf_counter() - began
            generated = re.search(r"^ *(\d+) generated.*", said, re.MULTILINE)
            tested = re.search(r"Tested: (\d+)", said)
            if generated is None or tested is None:
                raise RuntimeError(f"schemathesis did not come to an end:\n{said[-3000:]}")
            said_of = f"{tested[1]} operations, {generated[0].strip()}, {seconds:.0f} s"
            yield Figure(name, said_of, "no server error", "fail" not in generated[0] and "error" not in generated[0])
            if "failed" in generated[0]:
                print(said)
            with Client(service.url) as client:
                client.wait_ready(timeout_s=30)


_SAFE: Final = ("GET", "POST")
"""Methods that are tried with identifiers of existing resources; DELETE would remove them for the others."""


def _make_resources(service: RunningService) -> dict[str, str]:
    """Make an image set, a photograph and edits; returns their identifiers as path parameters."""
    with Client(service.url) as client:
        image_set = client.create(kind="age_progression", conditions=["WS"], count=8, seed=1).wait()
        picture = image_set.item(0).image
        about = {"Consent-Reference": "none", "Purpose": "benchmark", "Prefer": "wait=60"}
        photo = client.send(
            "POST", "v1/photos?aligned=true&keep_original=true", content=picture, headers=about, timeout=90
        ).json()
        edit = client.send(
            "POST",
            f"v1/photos/{photo['id']}/edits",
            json={"direction": "age", "strength": 1},
            headers={"Prefer": "wait=60"},
            timeout=90,
        ).json()
        job = client.send("GET", "v1/jobs").json()["items"][-1]["id"]
    return {"set_id": image_set.id, "photo_id": photo["id"], "edit_id": edit["id"], "job_id": job}
