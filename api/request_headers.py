"""Request headers of routes that start work, `Prefer` and `Idempotency-Key`, and waiting for the result."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol, TypeVar

import anyio
import anyio.to_thread
from fastapi import Header, Response

from api.access.key_turns import leave_turn
from api.jobs.job_ends import JobEnds
from api.jobs.job_list import ENDED, State
from api.schemas.problems import ProblemOut

_FIRST_PAUSE_S: Final = 0.005


class Answer(Protocol):
    """An answer with the state of some work."""

    state: State


_T = TypeVar("_T", bound=Answer)

Prefer = Annotated[
    str | None, Header(description="`wait=N` waits up to N seconds for it to be done.", examples=["wait=10"])
]
IdempotencyKey = Annotated[
    str | None,
    Header(description="Any text of your own; the same request with it is answered alike, another one is refused."),
]


def problem(description: str) -> dict[str, Any]:
    """Build an entry of a route's `responses` for a problem document."""
    return {"model": ProblemOut, "description": description}


FILE: Final[dict[int | str, dict[str, Any]]] = {
    206: {"description": "The bytes that `Range` asked for."},
    304: {"description": "The caller's copy, named in `If-None-Match`, is the one."},
    404: problem("There is no such thing, or no such file of it."),
    409: problem("It is not complete yet."),
    416: {"description": "The range lies outside the file."},
}


def parse_wait_seconds(prefer: str | None, longest_s: float) -> float | None:
    """Parse the seconds that `Prefer: wait=N` asks for, at most `longest_s`; None without it (RFC 7240)."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?", prefer or "", re.IGNORECASE)
    return min(float(found[1]), longest_s) if found else None


async def wait_for_answer(
    ends: JobEnds, subject: str, look: Callable[[], _T], response: Response, wait_s: float | None, deadline: float
) -> _T:
    """Call `look` until the state is final or the deadline has passed; set the status 200 or 202 accordingly.

    Args:
        ends: signals of the jobs that end.
        subject: id of the object that the answer describes.
        look: describes the object as it is now.
        response: response of the request.
        wait_s: seconds that the request asked to wait.
        deadline: end of the wait, on the monotonic clock.
    """
    with ends.listen(subject) as ended:
        answer = await anyio.to_thread.run_sync(look)
        pause = _FIRST_PAUSE_S
        if wait_s:
            leave_turn()
        while answer.state not in ENDED and (left := deadline - time.monotonic()) > 0:
            with anyio.move_on_after(min(pause, left)):
                await ended.wait()
            pause = _FIRST_PAUSE_S if ended.is_set() else min(ends.poll_s, pause * 2)
            ended.clear()
            answer = await anyio.to_thread.run_sync(look)
    response.status_code = 200 if answer.state in ENDED else 202
    confirm_wait(response, wait_s)
    return answer


def confirm_wait(response: Response, wait_s: float | None) -> None:
    """Say in the answer how long it waited at most, if the request asked for it (RFC 7240)."""
    if wait_s is not None:
        response.headers["Preference-Applied"] = f"wait={wait_s:g}"
