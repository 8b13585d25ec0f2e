"""The service with the tests' model, as a process to kill: port, seconds per chunk, and settings as JSON."""

from __future__ import annotations

import json
import sys

import uvicorn

from api.app import create_app
from api.settings import Settings
from tests.api.fake import FakeModel, served

if __name__ == "__main__":
    port, chunk_s, settings = int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
    model = FakeModel(chunk_s)
    app = create_app(Settings(without_keys=True, **settings), load=served(model))
    uvicorn.run(app, port=port, log_level="error")
