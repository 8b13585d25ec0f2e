"""Jobs that event streams follow: all streams of a job share its look-ups."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

from api.jobs.job_list import Job


class FollowedJob:
    """A job that streams follow, as it was found last.

    Args:
        job: the job, just looked up.
    """

    def __init__(self, job: Job) -> None:
        self._job: Job | None = job
        self._id = job.id
        self._looked = time.monotonic()
        self._lock = anyio.Lock()
        self.streams = 0

    async def look(self, find: Callable[[str], Awaitable[Job | None]], most_age_s: float) -> Job | None:
        """Return the job as it was at most `most_age_s` ago; None if it was deleted.

        Args:
            find: looks it up, if the last look is older.
        """
        async with self._lock:
            if time.monotonic() - self._looked >= most_age_s:
                self._job = await find(self._id)
                self._looked = time.monotonic()
            return self._job


class FollowedJobs:
    """Jobs that streams follow, each for as long as any stream does. Use it in the event loop only."""

    def __init__(self) -> None:
        self._jobs: dict[str, FollowedJob] = {}

    @contextmanager
    def follow(self, job: Job) -> Iterator[FollowedJob]:
        """Share the look-ups of a job with its other streams, until the block ends."""
        followed = self._jobs.setdefault(job.id, FollowedJob(job))
        followed.streams += 1
        try:
            yield followed
        finally:
            followed.streams -= 1
            if not followed.streams:
                del self._jobs[job.id]
