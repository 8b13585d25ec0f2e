"""The thread that owns the models: batches, turns, failures, and its end."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from api.jobs.fair_queue import FairQueue, on_behalf_of
from api.jobs.work import Stopping
from api.models.model import Pixels, RenderPlan
from api.models.model import Row as RowLike
from api.models.pool import Models
from api.models.worker import BATCH, Worker
from api.problems import Problem
from core.errors import CheckpointError
from tests.api.fake import FakeModel


class Gated(FakeModel):
    """Renders one call at a time, each when it is let; `calls` has the seeds of each."""

    def __init__(self, name: str = "fake", weights: str = "f" * 64) -> None:
        super().__init__(name=name, weights=weights)
        self.calls: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.fails_on: set[int] = set()
        self.shape: tuple[int, ...] | None = None

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        seeds = [row.to_json()["seed"] for row in rows]
        self.calls.append(seeds)
        self.begun.release()
        assert self.go_on.acquire(timeout=10)
        if self.fails_on & set(seeds):
            raise RuntimeError("no room on the device")
        images = super().render(plan, rows)
        return images if self.shape is None else np.zeros(self.shape, np.uint8)

    def let(self, calls: int) -> None:
        self.go_on.release(calls)

    def hold(self) -> None:
        """Wait until a call has begun, which now waits."""
        assert self.begun.acquire(timeout=10)


@contextmanager
def worker_of(*models: Gated) -> Iterator[tuple[Worker, ThreadPoolExecutor]]:
    worker = Worker(lambda: Models({model.info.name: model for model in models}))
    try:
        with ThreadPoolExecutor(32) as pool:
            yield worker, pool
            for model in models:
                model.let(1000)
    finally:
        for model in models:
            model.let(1000)
        worker.close()


def plan_of(model: FakeModel, seed: int, count: int = 1) -> RenderPlan:
    """Five images of each of so many persons, whose seeds count from `seed`."""
    return model.plan({"kind": "age_progression", "conditions": ["WS"], "seed": seed, "count": count}, 10_000)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def queued(worker: Worker) -> int:
    return sum(worker.waiting.values())


def asked(
    worker: Worker, pool: ThreadPoolExecutor, plan: RenderPlan, *, small: bool = True, rows: int | None = None
) -> Future[Pixels]:
    """A request, once it waits in the queue."""
    before = queued(worker)
    future = pool.submit(worker.render, plan, plan.rows[:rows], small=small)
    until(lambda: queued(worker) > before)
    return future


def held(worker: Worker, pool: ThreadPoolExecutor, model: Gated) -> Future[Pixels]:
    """One image that is being rendered until the model is let, so that all else waits."""
    future = pool.submit(worker.render, plan_of(model, 999), plan_of(model, 999).rows[:1], small=True)
    model.hold()
    return future


def persons(seeds: Sequence[int]) -> list[int]:
    """Seeds without their repetitions, in order."""
    return list(dict.fromkeys(seeds))


def test_alike_requests_that_wait_together_are_one_batch_with_results_of_their_own() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        first = held(worker, pool, model)
        plans = [plan_of(model, 10 * n) for n in range(6)]
        futures = [asked(worker, pool, plan) for plan in plans]
        model.let(2)
        first.result(10)
        images = [future.result(10) for future in futures]
    assert [len(call) for call in model.calls] == [1, 30]
    assert persons(model.calls[1]) == [0, 10, 20, 30, 40, 50]
    for plan, made in zip(plans, images, strict=True):
        assert made.shape == (5, 8, 8, 3)
        assert np.array_equal(made, FakeModel().render(plan, plan.rows))


def test_what_does_not_fit_waits_for_the_next_batch() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        held(worker, pool, model)
        futures = [asked(worker, pool, plan_of(model, 100 * n, count)) for n, count in enumerate((4, 3, 2, 1))]
        model.let(3)
        assert [len(future.result(10)) for future in futures] == [20, 15, 10, 5]
    assert [len(call) for call in model.calls] == [1, 30, 20]
    assert persons(model.calls[1])[::4] == [0, 200]  # 20 and 10, in their order; 15 would not have fitted
    assert persons(model.calls[2])[::3] == [100, 300]


def test_a_full_batch_takes_nobody_else() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        held(worker, pool, model)
        full = plan_of(model, 0, 7)
        futures = [asked(worker, pool, full, rows=BATCH), asked(worker, pool, plan_of(model, 100), rows=1)]
        model.let(3)
        assert [len(future.result(10)) for future in futures] == [BATCH, 1]
    assert [len(call) for call in model.calls] == [1, BATCH, 1]


def test_unlike_requests_are_not_rendered_together() -> None:
    model, other = Gated(), Gated("other", "e" * 64)
    with worker_of(model, other) as (worker, pool):
        held(worker, pool, model)
        mixed = [model, other, model, other, model]
        futures = [asked(worker, pool, plan_of(one, 10 * n)) for n, one in enumerate(mixed)]
        model.let(10)
        other.let(10)
        for future in futures:
            assert future.result(10).shape == (5, 8, 8, 3)
    assert [persons(call) for call in model.calls] == [[999], [0, 20, 40]]
    assert [persons(call) for call in other.calls] == [[10, 30]]


def test_a_request_alone_is_not_held_back() -> None:
    model = Gated()
    model.let(1)
    with worker_of(model) as (worker, pool):
        assert len(pool.submit(worker.render, plan_of(model, 1), plan_of(model, 1).rows, small=True).result(10)) == 5


def test_small_requests_have_turns_between_the_slices_of_large_ones() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        first = held(worker, pool, model)
        large = [asked(worker, pool, plan_of(model, 1000 * n, 20), small=False) for n in (1, 2)]
        small = asked(worker, pool, plan_of(model, 10))
        model.let(1)
        first.result(10)
        model.hold()  # of the first large one, as the last turn was a small one's
        model.let(1)
        model.hold()
        later = asked(worker, pool, plan_of(model, 20))
        model.let(1)
        assert small.result(10).shape[0] == 5
        model.let(100)
        later.result(10)
        assert all(len(future.result(10)) == 100 for future in large)
    sizes = [len(call) for call in model.calls]
    assert sizes[:5] == [1, BATCH, 5, BATCH, 5]
    assert sorted(sizes[5:], reverse=True) == [BATCH] * 4 + [4, 4]


@pytest.mark.parametrize("busy", [False, True])
def test_a_large_request_has_the_same_slices_however_busy_it_is(busy: bool) -> None:
    model, plan = Gated(), plan_of(Gated(), 1000, 20)
    with worker_of(model) as (worker, pool):
        held(worker, pool, model)
        large = asked(worker, pool, plan, small=False)
        others = [asked(worker, pool, plan_of(model, 10 * n)) for n in range(15)] if busy else []
        others += [asked(worker, pool, plan_of(model, 5000, 10), small=False)] if busy else []
        model.let(1000)
        images = large.result(10)
        for other in others:
            other.result(10)
    seeds = [row.to_json()["seed"] for row in plan.rows]
    assert [call for call in model.calls if call[0] in range(1000, 1020)] == [
        seeds[start : start + BATCH] for start in range(0, 100, BATCH)
    ]
    assert np.array_equal(images, FakeModel().render(plan, plan.rows))


def test_what_is_too_many_for_a_batch_is_large_even_where_somebody_waits() -> None:
    model = Gated()
    model.let(100)
    with worker_of(model) as (worker, _):
        assert len(worker.render(plan_of(model, 1, 10), plan_of(model, 1, 10).rows, small=True)) == 50
    assert [len(call) for call in model.calls] == [BATCH, 18]


def test_a_failing_batch_fails_those_in_it_and_no_other() -> None:
    model, other = Gated(), Gated("other", "e" * 64)
    model.fails_on = {10}
    with worker_of(model, other) as (worker, pool):
        held(worker, pool, model)
        together = [asked(worker, pool, plan_of(model, seed)) for seed in (10, 20)]
        apart = asked(worker, pool, plan_of(other, 10))
        large = asked(worker, pool, plan_of(model, 1000, 10), small=False)
        model.let(100)
        other.let(100)
        for future in together:
            with pytest.raises(RuntimeError, match="no room on the device"):
                future.result(10)
        assert (len(apart.result(10)), len(large.result(10))) == (5, 50)
        assert len(worker.render(plan_of(model, 20), plan_of(model, 20).rows, small=True)) == 5


def test_a_large_request_that_fails_half_way_has_no_further_slices() -> None:
    model = Gated()
    model.fails_on = {1007}
    model.let(100)
    with worker_of(model) as (worker, _):
        with pytest.raises(RuntimeError, match="no room"):
            worker.render(plan_of(model, 1000, 40), plan_of(model, 1000, 40).rows)
        assert len(worker.render(plan_of(model, 1), plan_of(model, 1).rows)) == 5
    assert [len(call) for call in model.calls] == [BATCH, BATCH, 5]


def test_short_calls_run_in_the_thread_that_renders_and_long_ones_beside_it_and_their_errors_arrive() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        short, long = (worker.call(lambda _: threading.get_ident(), small=small) for small in (True, False))
        assert short != long
        with pytest.raises(ZeroDivisionError):
            worker.call(lambda _: 1 // 0)
        assert worker.call(lambda models: models.default) is model
        assert pool.submit(worker.call, lambda _: 7).result(10) == 7


def test_images_do_not_wait_for_a_long_call_which_has_a_lower_priority() -> None:
    model, go_on = Gated(), threading.Event()
    model.let(1)
    with worker_of(model) as (worker, pool):

        def wait(_: Models) -> int:
            assert go_on.wait(10)
            return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

        long = pool.submit(worker.call, wait)
        assert len(worker.render(plan_of(model, 1), plan_of(model, 1).rows, small=True)) == 5
        assert not long.done()
        go_on.set()
        assert long.result(10) > os.getpriority(os.PRIO_PROCESS, 0)


def test_close_drops_what_waits_and_finishes_what_is_begun() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        first = held(worker, pool, model)
        begun = asked(worker, pool, plan_of(model, 1000, 10), small=False)
        model.let(1)
        first.result(10)
        model.hold()  # the first slice of two
        waiting = [
            asked(worker, pool, plan_of(model, 10)),
            asked(worker, pool, plan_of(model, 2000, 10), small=False),
        ]
        closing = pool.submit(worker.close)
        until(lambda: worker.stopping)
        model.let(100)
        closing.result(10)
        assert len(begun.result(10)) == 50
        for future in waiting:
            with pytest.raises(Stopping):
                future.result(10)
        for small in (True, False):
            with pytest.raises(Stopping):
                worker.render(plan_of(model, 1), plan_of(model, 1).rows, small=small)
        with pytest.raises(Stopping):
            worker.call(lambda _: 1)
    assert [len(call) for call in model.calls] == [1, BATCH, 18]


def test_close_waits_for_a_load_that_is_under_way() -> None:
    go_on = threading.Event()

    def load() -> Models:
        assert go_on.wait(10)
        return Models({"fake": FakeModel()})

    worker = Worker(load)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(worker.render, plan_of(FakeModel(), 1), plan_of(FakeModel(), 1).rows)
        until(lambda: queued(worker) == 1)
        closing = pool.submit(worker.close)
        until(lambda: worker.stopping)
        go_on.set()
        closing.result(10)
        with pytest.raises(Stopping):
            waiting.result(10)


def test_weights_that_cannot_be_loaded_are_said_and_stop_no_job_as_failed() -> None:
    def load() -> Models:
        raise CheckpointError("tiny.safetensors is damaged")

    worker = Worker(load)
    try:
        until(lambda: not worker.loading)
        assert worker.failure == "CheckpointError: tiny.safetensors is damaged"
        with pytest.raises(Problem, match=r"tiny\.safetensors is damaged") as caught:
            worker.check_renders()
        assert caught.value.status == 503
        with pytest.raises(Stopping):
            worker.wait_for_models()
        with pytest.raises(CheckpointError):
            worker.render(plan_of(FakeModel(), 1), plan_of(FakeModel(), 1).rows)
    finally:
        worker.close()


def test_the_proof_is_one_image_and_counts_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Gated()
    model.let(100)
    with worker_of(model) as (worker, _):
        worker.wait_for_models()
        for _ in range(3):
            worker.check_renders()
        assert [len(call) for call in model.calls] == [1]
        monkeypatch.setattr("api.models.worker.PROBE_EVERY_S", 0.0)
        worker.check_renders()
        assert [len(call) for call in model.calls] == [1, 1]


def test_on_a_machine_that_has_just_started_nothing_counts_as_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Gated()
    model.let(100)
    with worker_of(model) as (worker, _):
        worker.wait_for_models()
        with monkeypatch.context() as patched:
            patched.setattr("api.models.worker.time.monotonic", lambda: 1.0)
            worker.check_renders()
    assert len(model.calls) == 1


def test_one_proof_at_a_time() -> None:
    model = Gated()
    with worker_of(model) as (worker, pool):
        worker.wait_for_models()
        first = pool.submit(worker.check_renders)
        model.hold()
        with pytest.raises(Problem, match="has not made one yet"):
            worker.check_renders()  # at once, and without a second image
        model.let(1)
        first.result(10)
        worker.check_renders()
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda model: setattr(model, "shape", (1, 8, 8, 3)), "it makes blank images"),
        (lambda model: setattr(model, "shape", (1, 4, 4, 3)), "it makes blank images"),
        (lambda model: setattr(model, "broken", True), "RuntimeError: the model is broken"),
    ],
)
def test_a_model_that_makes_nothing_good_is_found(break_it: Callable[[Gated], None], says: str) -> None:
    model = Gated()
    model.let(100)
    break_it(model)
    with worker_of(model) as (worker, _):
        worker.wait_for_models()
        for _ in range(2):
            with pytest.raises(Problem, match=says) as caught:
                worker.check_renders()
            assert caught.value.status == 503
        assert len(model.calls) == 1  # what was seen counts, good or bad


def test_images_arrive_slice_by_slice_while_the_next_is_rendered() -> None:
    model = Gated()
    with worker_of(model) as (worker, _):
        plan = plan_of(model, 0, 20)
        images = worker.render_each(plan, plan.rows[: BATCH + 5])
        model.hold()  # rendering has begun before anybody asks for an image
        model.let(1)
        first = [next(images) for _ in range(BATCH)]
        model.hold()  # the second slice is being rendered
        model.let(1)
        found = np.stack([*first, *images])
        assert list(map(len, model.calls)) == [BATCH, 5]
        model.let(1)
        assert (found == model.render(plan, plan.rows[: BATCH + 5])).all()


def test_images_that_were_taken_are_freed_at_once() -> None:
    """However many images a job has, and without a run of the garbage collector."""
    model, kept = Gated(), []
    model.let(100)
    render = model.render

    def observe(plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        images = render(plan, rows)
        kept.append(weakref.ref(images))
        return images

    model.render = observe  # type: ignore[method-assign]
    gc.collect()
    gc.disable()
    try:
        with worker_of(model) as (worker, _):
            plan = plan_of(model, 0, 40)
            assert sum(1 for _ in worker.render_each(plan, plan.rows[: 4 * BATCH])) == 4 * BATCH
            worker.call(lambda _: None, small=True)  # the worker has gone on to something else
            assert [images() for images in kept] == 4 * [None]
    finally:
        gc.enable()


def test_what_fails_after_the_first_slice_is_raised_where_its_images_are_taken() -> None:
    model = Gated()
    with worker_of(model) as (worker, _):
        plan = plan_of(model, 0, 20)
        model.fails_on = {int(plan.rows[BATCH + 4].to_json()["seed"])}
        images = worker.render_each(plan, plan.rows[: BATCH + 5])
        model.let(2)
        with pytest.raises(RuntimeError, match="no room on the device"):
            list(images)


def test_owners_take_turns_however_much_one_of_them_wants() -> None:
    """Whoever comes waits for the batch in hand and one of each other owner at most."""
    model = Gated()

    def request(owner: str, seed: int, worker: Worker) -> Pixels:
        plan = plan_of(model, seed)
        with on_behalf_of(owner):
            return worker.render(plan, plan.rows)

    with worker_of(model) as (worker, pool):
        first = held(worker, pool, model)
        futures = []
        for owner, seed in (("a", 10), ("a", 11), ("a", 12), ("a", 13), ("b", 20), ("b", 21), ("c", 30)):
            before = queued(worker)
            futures.append(pool.submit(request, owner, seed, worker))
            until(lambda before=before: queued(worker) > before)  # type: ignore[misc]
        model.let(8)
        for future in [first, *futures]:
            future.result(timeout=20)
    assert [persons(seeds)[0] for seeds in model.calls] == [999, 10, 20, 30, 11, 21, 12, 13]


def test_who_comes_waits_for_the_batch_in_hand_only() -> None:
    turns = FairQueue[str]()
    for item in ("a1", "a2", "a3", "a4"):
        with on_behalf_of("a"):
            turns.append(item)
    served = []
    for _ in range(2):  # whoever asks again and again has a turn for each of the other's, and no more
        served.append(turns.pop()[1])
        with on_behalf_of("b"):
            turns.append("b")
        served.append(turns.pop()[1])
        with on_behalf_of("b"):
            turns.append("b")
        served.append(turns.pop()[1])
    assert served == ["a1", "b", "a2", "b", "a3", "b"]


def test_what_is_in_slices_is_done_before_what_else_its_owner_wants() -> None:
    turns = FairQueue[int]()
    with on_behalf_of("a"):
        turns.append(1)
        turns.append(2)
    with on_behalf_of("b"):
        turns.append(3)
    owner, item = turns.pop()
    assert (owner, item, turns.next, len(turns)) == ("a", 1, 3, 2)
    turns.put_back(owner, item)
    assert (turns.next, sorted(turns)) == (1, [1, 2, 3])
    assert [turns.pop()[1] for _ in range(3)] == [1, 3, 2]
    assert turns.next is None
