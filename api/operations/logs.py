"""Log of the service: one line for each request and event, without pixels, names, ids or keys."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.operations.metrics import UNKNOWN_ROUTE, Metrics
from api.problems import reason_in

_TEXT: Final = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
_log = logging.getLogger("gestaltgen.requests")


class JsonLines(logging.Formatter):
    """Formatter of one JSON object a line: time, level, logger, message, and the fields in `extra["fields"]`."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(level: str, form: Literal["text", "json"]) -> None:
    """Log to standard error. Debug messages of libraries are left out: they contain ids and bodies."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(_TEXT))
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(least, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("gestaltgen").setLevel(least)


class RequestLog:
    """ASGI middleware that counts and logs each request: route, status and time, never the ids in the path.

    Failures are logged as warnings, all else at level debug.

    Args:
        app: the application behind it.
        metrics: metrics of the service.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
            seconds = time.perf_counter() - began
            self._metrics.count_request(scope["method"], route, status, seconds, reason_in(scope, status))
            fields = {"method": scope["method"], "route": route, "status": status, "ms": round(1000 * seconds, 1)}
            level = logging.WARNING if status >= 500 and status != 503 else logging.DEBUG
            _log.log(level, "%(method)s %(route)s %(status)d %(ms).1f ms", fields, extra={"fields": fields})
