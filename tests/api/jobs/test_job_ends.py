from __future__ import annotations

import threading

import anyio

from api.jobs.job_ends import JobEnds


def test_who_listens_hears_of_the_ends_of_that_subject_alone() -> None:
    ends = JobEnds(shared=False)

    async def listen() -> None:
        with ends.listen("a") as first, ends.listen("a") as second, ends.listen("b") as other:
            thread = threading.Thread(target=ends.announce, args=("a",))
            thread.start()
            with anyio.fail_after(60):
                await first.wait()
                await second.wait()
            thread.join()
            assert not other.is_set()

    anyio.run(listen)
    ends.announce("a")  # the loop of those who listened is closed
