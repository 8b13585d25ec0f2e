"""Image sets of the service as training material: pulled shard by shard into a folder, resumable and repeatable.

A thread waits for the service and fetches shards into a folder, while the images of finished shards are used. The same
call on the same folder continues where it was interrupted; once all shards are there, it needs no service.

    with pull_set(client, ServiceSetRequest("age_progression", model="portraits128"), Path("runs/set")) as faces:
        for part in faces.shards():  # the next one is fetched meanwhile
            for index, sample in enumerate(part.samples):
                train(part.image(index), sample.label)
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Self, TypeVar

from core.errors import ConfigError, GestaltError, PullError
from core.seen_images import SeenImages
from faces.images import Pixels
from gestaltgen_client import ChecksumError, Client, ImageSet, JobError, ServiceError
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Sample
from recognition.images.service_request import ServiceSetRequest, check_identity, check_same_request
from recognition.images.set_cache import Row, SetCache, SetIdentity, SetNote, Shard
from recognition.images.set_classes import check_conditions, choose_classes, find_hard_class, order_soft_label

_TRANSIENT: Final = frozenset({None, 429, 502, 503, 504})
"""Status codes of failures that may pass soon; None is no answer at all."""

_POLL_S: Final = 0.2
_T = TypeVar("_T")


@dataclass(frozen=True)
class PullProgress:
    """Progress of a pull.

    Args:
        stage: "making" while the service renders, "fetching" while shards are downloaded.
        done, total: numbers of images.
    """

    stage: str
    done: int
    total: int


class PulledSubset:
    """Some images of a pulled set; it implements `Samples`. Images that are not there yet are waited for."""

    def __init__(self, whole: PulledSet, places: Sequence[int]) -> None:
        self.classes = whole.classes
        self._whole = whole
        self._places = tuple(places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def seen(self) -> TrainingRecord:
        """Images that the generator was trained on."""
        return self._whole.seen

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._whole.sample(place) for place in self._places)

    def image(self, index: int) -> Pixels:
        """Return an image, uint8 (h, w, 3); errors as of `PulledSet.image`."""
        return self._whole.image(self._places[index])

    def subset(self, indices: Iterable[int]) -> PulledSubset:
        return PulledSubset(self._whole, [self._places[index] for index in indices])


def pull_set(
    client: Client | None,
    request: ServiceSetRequest,
    cache: Path,
    progress: Callable[[PullProgress], None] | None = None,
    *,
    classes: Sequence[str] | None = None,
    patience_s: float = 0.0,
) -> PulledSet:
    """Ask for an image set and start to fetch it; returns as soon as the service has said which set it is.

    Args:
        client: client of the service; None if the folder holds the whole set already.
        request: request for the set.
        cache: folder for the set, new or of the same pull. `set.json` in it identifies the set.
        progress: called by the thread that fetches.
        classes: names in the order of the labels; None takes the generator's conditions.
        patience_s: seconds for which a service that does not answer is tried again, beyond the client's own attempts;
            counted from its last answer.

    Raises:
        ConfigError: the folder holds another set, the service would make it by another model than asked or than the
            folder's, a class that the generator does not know, or a set with conditions that are no classes.
        PullError: the service cannot be reached or refuses.
    """
    return PulledSet(client, request, cache, progress or (lambda _: None), classes, patience_s)


class PulledSet:
    """Image set that is being pulled, made by `pull_set`; it implements `Samples` and is a context manager.

    Images that are not there yet are waited for. If the pull fails, its error is raised instead: PullError if the
    service has gone away, DatasetError if it sent something other than the set. Give the set to a loader with processes
    of its own only when all shards are there (`complete`).

    Attributes:
        classes: names of the classes, in the order of the labels.
        cache: the folder.
        set_id, model, weights_sha256: the set and the generator, its name and its file's checksum.
        request: the set's, every default spelt out.
        seen: images that the generator was trained on.
    """

    def __init__(
        self,
        client: Client | None,
        request: ServiceSetRequest,
        cache: Path,
        progress: Callable[[PullProgress], None],
        classes: Sequence[str] | None,
        patience_s: float,
    ) -> None:
        self._begun = time.monotonic()
        self._ended: float | None = None
        self._waiting_s = 0.0
        self.cache = cache
        self._client, self._asked_for, self._progress, self._patience_s = client, request, progress, patience_s
        self._folder = SetCache(cache)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._rows: list[Row] | None = None
        self._shards: dict[int, Shard] = {}
        self._thread: threading.Thread | None = None
        self._gone_since: float | None = None
        note = self._folder.read_note()
        if note is not None:
            check_same_request(note, request, cache)
        if note is not None and note.identity is not None:
            check_identity(note.identity, request, f"{cache} holds")
            self._adopt(note.identity, note.seen, classes)
            self._rows = self._folder.rows(note.identity)
            if self._rows is not None and all(self._read_shard(number) for number in range(note.identity.shards)):
                self._waiting_s = time.monotonic() - self._begun
                return
        if client is None:
            raise PullError(f"{cache} does not hold the whole set; expected a service to fetch it from: name one")
        image_set = self._retry_while_unanswered(partial(self._ask, client, note, classes))
        self._waiting_s = time.monotonic() - self._begun
        self._thread = threading.Thread(target=self._pull, args=(client, image_set), name="pull", daemon=True)
        self._thread.start()

    # For users of the images

    def __len__(self) -> int:
        return self._identity.images

    @property
    def complete(self) -> bool:
        """True if all shards are there."""
        return len(self._shards) == self._identity.shards

    def wait(self) -> Self:
        """Wait until all shards are there; errors as of `image`."""
        for number in range(self._identity.shards):
            self._wait_for_shard(number)
        return self

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Samples of all images; waits for all, since a sample has the key of its pixels."""
        return tuple(self.sample(index) for index in range(len(self)))

    def sample(self, index: int) -> Sample:
        """Return key, label and person of an image; waits for its shard."""
        shard, place = self._find_image(index)
        row = self._require_rows()[index]
        label = order_soft_label(row, self._identity, self.classes)
        hard = find_hard_class(label, self.classes)
        return Sample(
            key=shard.keys[place],
            label=label,
            condition=hard,
            age_group=row.get("age_group"),
            person=f"{self.set_id}/{row['person']}",
            synthetic=True,
        )

    def image(self, index: int) -> Pixels:
        """Return an image, uint8 (h, w, 3); waits for its shard.

        Raises:
            PullError: it has not come, and why the pull ended; the same call on the same folder goes on.
            DatasetError: the service sent something else than the set.
        """
        shard, place = self._find_image(index)
        return shard.image(place)

    def subset(self, indices: Iterable[int]) -> PulledSubset:
        """Return some of the images, in the order given."""
        return PulledSubset(self, list(indices))

    def shards(self) -> Iterator[PulledSubset]:
        """Iterate over the set shard by shard, in order; each is fetched while the one before it is used."""
        for number in range(self._identity.shards):
            self._wait_for_shard(number)
            yield PulledSubset(self, self._identity.places(number))

    @property
    def waiting_s(self) -> float:
        """Seconds that the user of the images has waited for them, from the first question to the service on."""
        return self._waiting_s

    @property
    def total_s(self) -> float:
        """Seconds since the pull was started, until it was closed."""
        return (self._ended or time.monotonic()) - self._begun

    def close(self) -> None:
        """Stop fetching. The images that are there are kept and can still be used."""
        self._stop.set()
        self._ended = self._ended or time.monotonic()
        if self._thread is not None:
            self._thread.join(timeout=5)  # longer only in the midst of a request that nobody answers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_image(self, index: int) -> tuple[Shard, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"image {index} of a set of {len(self)}")
        number, place = divmod(index % len(self), self._identity.shard_images)
        return self._wait_for_shard(number), place

    def _wait_for_shard(self, number: int) -> Shard:
        if number not in self._shards:
            with self._count_waiting():
                self._changed.wait_for(lambda: number in self._shards or self._failure is not None)
        if number in self._shards:
            return self._shards[number]
        assert self._failure is not None  # noqa: S101  it is what was waited for
        raise self._failure

    def _require_rows(self) -> Sequence[Row]:
        assert self._rows is not None  # noqa: S101  a shard is there, which needs them
        return self._rows

    @contextmanager
    def _count_waiting(self) -> Iterator[None]:
        """Count the time within the context as waiting."""
        begun = time.monotonic()
        with self._changed:
            try:
                yield
            finally:
                self._waiting_s += time.monotonic() - begun

    # The side of the service

    def _ask(self, client: Client, note: SetNote | None, classes: Sequence[str] | None) -> ImageSet:
        """Post the request, and check that the answer is the expected set."""
        request = self._asked_for
        known = client.models()
        if request.model is not None and request.model not in (model["name"] for model in known):
            names = ", ".join(model["name"] for model in known)
            raise ConfigError(f"the service has no model {request.model!r}; expected one of {names}")
        model = next(model for model in known if request.model in (None, model["name"]))
        vocabulary = tuple(condition["name"] for condition in client.conditions(model["name"])["conditions"])
        self.classes = choose_classes(classes, vocabulary, model["name"])
        if note is None:
            note = SetNote(request.to_json(), secrets.token_hex(16))
            self._folder.write_note(note)
        image_set = self._post(client, note)
        identity = SetIdentity(
            set_id=image_set.id,
            model=model["name"],
            weights_sha256=str(image_set.request["weights_sha256"]),
            request=dict(image_set.request),
            conditions=vocabulary,
            images=image_set.total,
            shards=image_set.shards,
            shard_images=image_set.shard_images,
        )
        if identity.weights_sha256 != model["weights_sha256"]:
            raise ConfigError(
                f"the service made the set {identity.set_id} by the weights {identity.weights_sha256[:16]} and says "
                f"that {model['name']} has {model['weights_sha256'][:16]}; expected the same: ask again"
            )
        check_identity(identity, request, "the service would make")
        if note.identity is not None and note.identity.set_id != identity.set_id:
            raise self._other_set_error(note.identity, identity.weights_sha256)
        check_conditions(identity, self.classes)
        if note.identity is None:
            seen = TrainingRecord.of_model(client, model["name"])
            note = replace(note, identity=identity, seen=SeenImages(seen.keys, seen.complete))
            self._folder.write_note(note)
        self._adopt(identity, note.seen, self.classes)
        return image_set

    def _post(self, client: Client, note: SetNote) -> ImageSet:
        try:
            return client.create(**note.asked, idempotency_key=note.idempotency_key)
        except ServiceError as error:
            used = str(error.problem.get("detail", "")).startswith("Idempotency-Key")
            if error.status == 422 and used and note.identity is not None:
                raise self._other_set_error(note.identity, None) from error
            raise

    def _other_set_error(self, held: SetIdentity, weights_sha256: str | None) -> ConfigError:
        now = "another one" if weights_sha256 is None else f"one by the weights {weights_sha256[:16]}"
        return ConfigError(
            f"{self.cache} holds a part of the set {held.set_id}, made by {held.model} with the weights "
            f"{held.weights_sha256[:16]}, and for the same request the service would now make {now}; start the service "
            "with those weights and the same version, or pull into another folder"
        )

    def _adopt(self, identity: SetIdentity, seen: SeenImages, classes: Sequence[str] | None) -> None:
        """Take over the identity of the set."""
        self._identity = identity
        self.classes = choose_classes(classes, identity.conditions, identity.model)
        check_conditions(identity, self.classes)
        self.set_id, self.model, self.weights_sha256 = identity.set_id, identity.model, identity.weights_sha256
        self.request = identity.request
        self.seen = TrainingRecord.of(f"generator {identity.model}", seen)

    def _pull(self, client: Client, image_set: ImageSet) -> None:
        """Body of the thread; errors leave it through `_failure` alone."""
        try:
            with self._folder.lock(self._pause):
                self._retry_while_unanswered(partial(self._fetch, client, [image_set]))
        except _ClosedError:
            failure: Exception = PullError(f"the pull of the set {self.set_id} was closed; open it again to continue")
        except OSError as error:
            failure = PullError(
                f"cannot write {error.filename or self.cache} ({error.strerror or error}): make room or correct the "
                f"rights; {self._describe_kept()}"
            )
        except Exception as error:
            failure = error
        else:
            return
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _fetch(self, client: Client, asked: list[ImageSet]) -> None:
        """Fetch all that is missing. After an outage the set is asked for again: the service may have lost a job."""
        # Another process may have pulled the set while this one waited for the folder.
        image_set = asked.pop() if asked else self._ask(client, self._folder.read_note(), self.classes)
        while image_set.state not in ("done", "failed", "cancelled"):
            self._report("making", image_set.done)
            self._pause()
            image_set = image_set.refresh()
            self._gone_since = None
        if image_set.state != "done":
            raise JobError(f"image set {image_set.id} {image_set.state}: {image_set.error or 'somebody stopped it'}")
        rows = self._folder.store_manifest(client.fetch(image_set.links["manifest"]), self._identity)
        with self._changed:
            self._rows = rows
        for number in range(self._identity.shards):
            if number in self._shards or self._read_shard(number):
                continue
            self._report("fetching", sum(len(self._identity.places(there)) for there in self._shards))
            path = image_set.links["shard"].format(n=number)
            shard = self._folder.store_shard(number, self._rows_of_shard(number), partial(client.stream_to, path=path))
            self._gone_since = None
            self._add_shard(number, shard)
            if self._stop.is_set():
                raise _ClosedError
        self._report("fetching", self._identity.images)

    def _read_shard(self, number: int) -> bool:
        """Take a shard from the folder if it is there and undamaged."""
        shard = self._folder.shard(number, self._rows_of_shard(number))
        if shard is not None:
            self._add_shard(number, shard)
        return shard is not None

    def _rows_of_shard(self, number: int) -> Sequence[Row]:
        places = self._identity.places(number)
        return self._require_rows()[places.start : places.stop]

    def _add_shard(self, number: int, shard: Shard) -> None:
        with self._changed:
            self._shards[number] = shard
            self._changed.notify_all()

    def _report(self, stage: str, done: int) -> None:
        self._progress(PullProgress(stage, done, self._identity.images))

    def _pause(self) -> None:
        if self._stop.wait(_POLL_S):
            raise _ClosedError

    def _retry_while_unanswered(self, work: Callable[[], _T]) -> _T:
        """Call `work`, and repeat it while the service does not answer and the patience lasts.

        Raises:
            PullError: what the service refused, or that it has gone.
        """
        damaged = asked_again = False
        while True:
            try:
                return work()
            except GestaltError:
                raise
            except ChecksumError as error:  # on the way: once more, then it lies so on the service
                if damaged:
                    raise PullError(f"{error}; {self._describe_kept()} once the service is mended") from error
                damaged = True
            except JobError as error:
                raise PullError(f"the service did not make it: {error}; {self._describe_kept()}") from error
            except ServiceError as error:
                if error.status == 404 and not asked_again:  # the service has lost the set: it makes it again
                    asked_again = True
                    continue
                if error.status not in _TRANSIENT:
                    raise PullError(f"the service refuses: {error}") from error
                self._gone_since = self._gone_since or time.monotonic()
                if time.monotonic() - self._gone_since >= self._patience_s:
                    raise PullError(
                        f"the service has gone away: {error}; {self._describe_kept()} when it is back"
                    ) from error
                self._pause()

    def _describe_kept(self) -> str:
        identity = getattr(self, "_identity", None)
        kept = (
            ""
            if identity is None
            else f"{len(self._shards)} of {identity.shards} shards are kept in {self.cache}, and "
        )
        return f"{kept}the same command continues"


class _ClosedError(Exception):
    """Raised when the pull is closed."""
