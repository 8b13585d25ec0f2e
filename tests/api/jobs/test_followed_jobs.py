"""Streams of a job share its look-ups."""

from __future__ import annotations

from dataclasses import replace

import anyio

from api.access.ownership import Kind
from api.jobs.followed_jobs import FollowedJobs
from api.jobs.job_list import Job

JOB = Job("a-1", Kind.IMAGE_SET, "a", "running", 0, 100, None, None, 0)


class Finder:
    """Finds a job that goes on at each look, and counts the looks."""

    def __init__(self) -> None:
        self.looks = 0

    async def __call__(self, job_id: str) -> Job | None:
        assert job_id == JOB.id
        await anyio.sleep(0)
        self.looks += 1
        return replace(JOB, done=self.looks)


def test_many_streams_of_a_job_look_once() -> None:
    jobs, find, seen = FollowedJobs(), Finder(), list[int]()

    async def follow_once(most_age_s: float) -> None:
        with jobs.follow(JOB) as followed:
            job = await followed.look(find, most_age_s)
            assert job is not None
            seen.append(job.done)

    async def follow_all() -> None:
        with jobs.follow(JOB) as followed:
            await followed.look(find, 0)
            async with anyio.create_task_group() as group:
                for _ in range(200):
                    group.start_soon(follow_once, 60)

    anyio.run(follow_all)
    assert find.looks == 1
    assert seen == [1] * 200


def test_a_look_that_is_too_old_is_repeated() -> None:
    jobs, find = FollowedJobs(), Finder()

    async def follow() -> None:
        with jobs.follow(JOB) as followed:
            assert [job.done for _ in range(3) if (job := await followed.look(find, 0)) is not None] == [1, 2, 3]

    anyio.run(follow)


def test_nothing_is_kept_of_a_job_without_streams() -> None:
    jobs, find = FollowedJobs(), Finder()

    async def follow() -> None:
        with jobs.follow(JOB), jobs.follow(JOB) as followed:
            await followed.look(find, 0)
        with jobs.follow(JOB) as followed:
            assert await followed.look(find, 60) == JOB

    anyio.run(follow)
