"""A few requests of each key are answered at a time; those of other keys do not wait for them."""

from __future__ import annotations

import anyio
from starlette.types import Message, Receive, Scope, Send

from api.access.key_turns import KeyTurns, leave_turn
from api.access.owner_threads import OwnerThreads


class SlowApplication:
    """Application that answers when it is told to, and notes the keys of the requests that it began."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go_on = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        if scope["path"].endswith("waits"):
            leave_turn()
        await self.go_on.wait()
        await send({"type": "http.response.start"})


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def send(_: Message) -> None:
    pass


def count_begun(paths: list[tuple[str, str]]) -> dict[str, int]:
    """Send requests at once, by key and path; returns how many of each key began before the first was answered."""
    app, begun = SlowApplication(), dict[str, int]()
    turns = KeyTurns(app, at_once=2, held_s=60)

    async def send_all() -> None:
        async with anyio.create_task_group() as group:
            for key, path in paths:
                headers = [(b"authorization", key.encode())] if key else []
                group.start_soon(turns, {"type": "http", "path": path, "headers": headers}, receive, send)
            await anyio.wait_all_tasks_blocked()
            begun.update({key: app.began.count(key) for key, _ in paths})
            app.go_on.set()

    anyio.run(send_all)
    assert len(app.began) == len(paths)  # in the end all were answered
    assert turns.keys_in_progress == 0
    return begun


def test_of_each_key_a_few_requests_begin() -> None:
    assert count_begun([("a", "/v1/models")] * 5 + [("b", "/v1/models")]) == {"a": 2, "b": 1}


def test_pages_take_turns_and_their_files_do_not() -> None:
    assert count_begun([("a", "/studio/jobs")] * 5) == {"a": 2}
    assert count_begun([("a", "/studio/static/studio.css")] * 5) == {"a": 5}


def test_requests_without_a_key_share_places_but_for_health_checks() -> None:
    assert count_begun([("", "/v1/models")] * 5) == {"": 2}
    assert count_begun([("", "/livez")] * 5) == {"": 5}


def test_a_request_that_waits_holds_up_no_other_of_its_key() -> None:
    assert count_begun([("a", "/v1/waits")] * 5) == {"a": 5}


def test_refused_requests_come_slowly() -> None:
    began = 0

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal began
        began += 1
        await send({"type": "http.response.start", "status": 401})

    async def flood() -> None:
        turns = KeyTurns(refuse, at_once=2, held_s=60)
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(turns, {"type": "http", "path": "/v1/models", "headers": []}, receive, send)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    anyio.run(flood)
    assert began == 2


def begin_while_places_rest(latest: list[str]) -> list[str]:
    """Send four requests of key `a`, then one each of the `latest` keys, answer them, and let every place rest.

    Returns:
        The keys of the requests that began, in order, until all that did were answered.
    """
    app = SlowApplication()
    turns = KeyTurns(app, at_once=2, held_s=60)

    async def send_all() -> None:
        async with anyio.create_task_group() as group:
            for key in ["a"] * 4 + latest:
                scope = {"type": "http", "path": "/v1/models", "headers": [(b"authorization", key.encode())]}
                group.start_soon(turns, scope, receive, send)
            await anyio.sleep(0.2)  # so long do the places rest
            app.go_on.set()
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    anyio.run(send_all)
    return app.began


def test_places_of_a_key_rest_while_another_key_sends_requests() -> None:
    assert begin_while_places_rest([]) == ["a"] * 4
    assert begin_while_places_rest(["b"]) == ["a", "a", "b"]
    assert begin_while_places_rest(["b", "b"]) == ["a", "a", "b", "b"]


def test_a_file_holds_its_place_until_it_is_sent() -> None:
    began, go_on = 0, anyio.Event()

    async def send_file(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal began
        began += 1
        await send({"type": "http.response.start", "status": 200})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"the end"})

    async def download() -> None:
        turns = KeyTurns(send_file, at_once=2, held_s=60)
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(turns, {"type": "http", "path": "/v1/models", "headers": []}, receive, send)
            await anyio.wait_all_tasks_blocked()
            assert began == 2
            go_on.set()

    anyio.run(download)
    assert began == 16


def test_a_request_that_is_admitted_holds_its_place() -> None:
    began, go_on, threads = 0, anyio.Event(), OwnerThreads(threads=2, most=64)

    async def receive_photograph(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal began
        with threads.admit("lab"):
            began += 1
            await go_on.wait()

    async def send_all() -> None:
        turns = KeyTurns(receive_photograph, at_once=2, held_s=60)
        async with anyio.create_task_group() as group:
            for _ in range(16):
                group.start_soon(turns, {"type": "http", "path": "/v1/photos", "headers": []}, receive, send)
            await anyio.wait_all_tasks_blocked()
            assert began == 2
            go_on.set()

    anyio.run(send_all)
    assert began == 16


def test_a_request_that_takes_long_leaves_its_place() -> None:
    async def send_all() -> None:
        app = SlowApplication()
        turns = KeyTurns(app, at_once=2, held_s=0.01)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(turns, {"type": "http", "path": "/v1/models", "headers": []}, receive, send)
                while len(app.began) < 5:
                    await anyio.sleep(0.01)
                app.go_on.set()

    anyio.run(send_all)
