"""Connection to the service that makes the image sets of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.errors import PullError
from gestaltgen_client import Client, ServiceError

READY_S: Final = 15.0
"""Seconds for which a service that has not answered yet is waited for."""


@contextmanager
def connect(service: str) -> Iterator[Client]:
    """Open a client of a service that answers.

    Raises:
        PullError: it does not answer.
    """
    with Client(service) as client:
        check_service(client, service)
        yield client


def check_service(client: Client, service: str) -> None:
    """Check that a service answers at once; one that stops answering later is waited for."""
    try:
        client.wait_ready(READY_S)
    except ServiceError as error:
        raise PullError(
            f"{error}; start the service (gestaltgen serve), or name another with --service: the same command continues"
        ) from error
