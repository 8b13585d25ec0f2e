"""Base of everything that a job of the service makes: its state, waiting for it, and cancelling it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import httpx

from gestaltgen_client.connection import Connection
from gestaltgen_client.errors import JobError

if TYPE_CHECKING:
    from typing_extensions import Self

_FINAL: Final = frozenset({"done", "failed", "cancelled"})
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 1.0
W = TypeVar("W", bound="Work")


@dataclass(frozen=True)
class Work:
    """Something that a job of the service makes, as the service last described it. `refresh` asks again.

    Args:
        state: queued, running, done, failed or cancelled.
        error: reason of a failure.
        links: paths of the service that belong to it, by name.
    """

    what: ClassVar[str]
    """Name of this kind of thing in messages."""

    id: str
    state: str
    error: str | None
    links: Mapping[str, Any] = field(repr=False)
    _connection: Connection = field(repr=False, compare=False)

    def refresh(self) -> Self:
        """Ask the service for the current state."""
        return read_work(type(self), self._connection.send("GET", self.links["self"]), self._connection)

    def wait(self, progress: Callable[[Self], None] | None = None, timeout_s: float | None = None) -> Self:
        """Wait until it is done.

        Args:
            progress: called with the current state, at once and after every change.
            timeout_s: None waits for ever.

        Raises:
            JobError: its job failed or was cancelled.
            TimeoutError: it is not done after `timeout_s`; the service continues to work on it.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        reported: Self | None = None
        now, pause_s = self, _FIRST_PAUSE_S
        while True:
            if progress is not None and now != reported:
                progress(now)
                reported = now
            if now.state == "done":
                return now
            if now.state in _FINAL:
                raise JobError(f"{now.what} {now.id} {now.state}: {now.error or 'ask for it again to go on with it'}")
            if deadline is not None and time.monotonic() + pause_s > deadline:
                raise TimeoutError(
                    f"{now.what} {now.id} {now._describe_progress()} after {timeout_s:g} s; "
                    "the service goes on with it: wait again, or longer"
                )
            time.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)
            now = now.refresh()

    def cancel(self) -> Self:
        """Cancel its job, and return the state after that. A set that another owner wants too is yours no more."""
        if self.links["job"] is None:
            return self.refresh()
        job = self._connection.send("POST", f"{self.links['job']}/cancel").json()
        return replace(self, state="cancelled") if job.get("detached") else self.refresh()

    def _describe_progress(self) -> str:
        """Say how far it is, as the predicate of a sentence."""
        return f"is {self.state}"


def read_work(kind: type[W], answer: httpx.Response, connection: Connection) -> W:
    """Read the description of an image set, photograph, edit or survey pack from an answer of the service."""
    return read_item(kind, answer.json(), connection)


def read_item(kind: type[W], data: Mapping[str, Any], connection: Connection) -> W:
    """Read one description, which may be an item of a list."""
    known = {part.name: data[part.name] for part in fields(kind) if part.name in data}
    return kind(**known, _connection=connection)
