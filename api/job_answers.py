"""Answers of routes that submit a job: the request headers `Prefer` and `Idempotency-Key`, and the wait for the job."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Annotated, Final, Protocol, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Header, Response

from api.access.key_turns import leave_turn
from api.dependencies import ServiceDep
from api.jobs.job_ends import JobEnds
from api.jobs.job_list import ENDED, State

_FIRST_PAUSE_S: Final = 0.005


class Answer(Protocol):
    """An answer with the state of some work."""

    state: State


_T = TypeVar("_T", bound=Answer)


class JobAnswer:
    """Answer of a request that submits a job, which waits for the job as long as the request asks.

    Args:
        ends: signals of the jobs that end.
        longest_s: longest time that a request may wait.
        response: response of the request.
        prefer: the header `Prefer`.
        idempotency_key: the header `Idempotency-Key`.

    Attributes:
        wait_s: seconds that the request asks to wait; None if it does not say.
        deadline: end of the wait, on the monotonic clock.
    """

    def __init__(
        self, ends: JobEnds, longest_s: float, response: Response, prefer: str | None, idempotency_key: str | None
    ) -> None:
        self.idempotency_key = idempotency_key
        self.wait_s = _parse_wait_seconds(prefer, longest_s)
        self.deadline = time.monotonic() + (self.wait_s or 0)
        self._ends = ends
        self._response = response

    async def wait(self, subject: str, path: str, describe: Callable[[], _T]) -> _T:
        """Call `describe` until the state is final or the deadline has passed; return the last description.

        Args:
            subject: id of the object that the job makes.
            path: of the object in the service.
            describe: describes the object as it is now; it is called in a thread.
        """
        with self._ends.listen(subject) as ended:
            answer = await anyio.to_thread.run_sync(describe)
            pause = _FIRST_PAUSE_S
            if self.wait_s:
                leave_turn()
            while answer.state not in ENDED and (left := self.deadline - time.monotonic()) > 0:
                with anyio.move_on_after(min(pause, left)):
                    await ended.wait()
                pause = _FIRST_PAUSE_S if ended.is_set() else min(self._ends.poll_s, pause * 2)
                ended.clear()
                answer = await anyio.to_thread.run_sync(describe)
        self.finish(path, done=answer.state in ENDED)
        return answer

    def finish(self, path: str, *, done: bool) -> None:
        """Set the status, 200 if the object is done, else 202, and the headers of the response (RFC 7240)."""
        self._response.status_code = 200 if done else 202
        self._response.headers["Location"] = path
        if self.wait_s is not None:
            self._response.headers["Preference-Applied"] = f"wait={self.wait_s:g}"


def _parse_wait_seconds(prefer: str | None, longest_s: float) -> float | None:
    """Parse the seconds that `Prefer: wait=N` asks for, at most `longest_s`; None without it (RFC 7240)."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?", prefer or "", re.IGNORECASE)
    return min(float(found[1]), longest_s) if found else None


async def _read_headers(
    service: ServiceDep,
    response: Response,
    prefer: Annotated[
        str | None, Header(description="`wait=N` waits up to N seconds for it to be done.", examples=["wait=10"])
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(description="Any text of your own; the same request with it is answered alike, another one is refused."),
    ] = None,
) -> JobAnswer:
    return JobAnswer(service.jobs.ends, service.settings.max_wait_s, response, prefer, idempotency_key)


JobAnswerDep = Annotated[JobAnswer, Depends(_read_headers)]
