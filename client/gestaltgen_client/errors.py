"""Exceptions of the client, and how an answer of the service becomes one.

ServiceError         the service refused a request, failed, or could not be reached
├── JobError         a job of the service failed or was cancelled
└── ChecksumError    bytes that arrived do not match their checksum
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

_LONGEST_RETRY_AFTER_S: Final = 60.0


class ServiceError(Exception):
    """The service refused a request, failed, or could not be reached.

    Args:
        message: text for a person.
        status: HTTP status code; None if there was no answer.
        problem: the problem document (RFC 9457), if there was one; its `errors` name the fields at fault.
        retry_after_s: pause in seconds that the service asked for before the next attempt.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})
        self.retry_after_s = retry_after_s


class JobError(ServiceError):
    """The job of an image set, photograph, edit or survey pack failed or was cancelled."""


class ChecksumError(ServiceError):
    """Bytes that arrived do not match their checksum."""


def make_service_error(answer: httpx.Response) -> ServiceError:
    """Make the exception for an answer that reports a failure. The body of the answer must have been read."""
    try:
        problem = answer.json()
        message = f"{problem['status']} {problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        problem, message = None, f"{answer.status_code} {answer.reason_phrase}: {answer.text[:200]}"
    if answer.status_code == 401:
        message += " Set GESTALTGEN_KEY to a valid key, or pass one: Client(url, key=...)."
    pause = answer.headers.get("Retry-After", "")
    pause_s = min(_LONGEST_RETRY_AFTER_S, float(pause)) if pause.isdigit() else 0.0
    return ServiceError(message, answer.status_code, problem, pause_s)
