"""The service with the tests' model, as a process to kill: state folder, port, seconds per chunk."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn

from api.app import create_app
from api.settings import Settings
from tests.api.fake import FakeModel, served

if __name__ == "__main__":
    state, port, chunk_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    model = FakeModel(chunk_s)
    uvicorn.run(create_app(Settings(state=state, without_keys=True), load=served(model)), port=port, log_level="error")
