"""A client for the service: labelled image sets, photographs and their edits, survey packs.

It needs only httpx; numpy and Pillow where pixels are wanted. A request that fails on the way is sent again,
a file that breaks off is fetched again, and no image of a set is handed out whose sha256 is not the manifest's.
What comes is synthetic or edited, and no basis for a diagnosis.

    client = Client("http://127.0.0.1:8000")  # with the key in GESTALTGEN_KEY
    image_set = client.create(kind="age_progression", conditions=["WS"], count=20).wait()
    for item in image_set:
        train(item.array(), item.soft_label)

    photo = client.send_photo("face.jpg", consent="study-7/form-12", purpose="survey stimuli").wait()
    edit = photo.edit(smile=0.2).wait()
    edit.result["verdict"], edit.image()
    photo.erase()
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar
from urllib.parse import quote, urljoin

import httpx

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TRANSIENT: Final = frozenset({429, 502, 503, 504})
_IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
_FINAL: Final = frozenset({"done", "failed", "cancelled"})
_IMAGE: Final = re.compile(r"images/\d+\.png")
_T = TypeVar("_T")
_W = TypeVar("_W", bound="_Work")


class ServiceError(Exception):
    """The service refused, failed, or could not be reached.

    Args:
        message: what a person should read.
        status: HTTP status code; None if there was no answer.
        problem: the problem document (RFC 9457), if there was one; `errors` in it names the fields at fault.
        retry_after_s: how long the service asked to be left alone.
    """

    def __init__(
        self,
        message: str,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})
        self.retry_after_s = retry_after_s


class JobError(ServiceError):
    """The job of an image set, photograph, edit or survey pack failed or was cancelled."""


class ChecksumError(ServiceError):
    """Bytes arrived that are not what their checksum says."""


@dataclass(frozen=True)
class Item:
    """One image with its label.

    Args:
        image: PNG bytes, verified.
        row: the manifest's line: index, person, seed, condition, age_group, step, soft_label, precision, file, sha256
        class_index: place of the condition in the soft label, as in the shard's .cls file.
    """

    image: bytes = field(repr=False)
    row: Mapping[str, Any]
    class_index: int

    @property
    def index(self) -> int:
        return int(self.row["index"])

    @property
    def labels(self) -> dict[str, Any]:
        """Person, condition, age group and step, by name."""
        return {name: self.row.get(name) for name in ("person", "condition", "age_group", "step")}

    @property
    def soft_label(self) -> tuple[float, ...]:
        """Weight of each condition, in the order of /v1/conditions; they sum to 1."""
        return tuple(self.row["soft_label"])

    def array(self) -> npt.NDArray[np.uint8]:
        """Pixels, uint8 (h, w, 3) RGB, a fresh array."""
        import numpy as np
        from PIL import Image

        with Image.open(io.BytesIO(self.image), formats=["PNG"]) as picture:
            return np.array(picture.convert("RGB"))


@dataclass(frozen=True)
class _Work:
    """Something that a job of the service makes, as it was last described; `refresh` asks again.

    Args:
        state: queued, running, done, failed or cancelled.
        error: why it failed.
    """

    what: ClassVar[str]

    id: str
    state: str
    error: str | None
    links: Mapping[str, Any] = field(repr=False)
    _client: Client = field(repr=False, compare=False)

    def refresh(self) -> Self:
        """The same as it is now."""
        return self._client.described(type(self), self._client.send("GET", self.links["self"]))

    def wait(self, progress: Callable[[Self], None] | None = None, timeout_s: float | None = None) -> Self:
        """Wait until it is done.

        Args:
            progress: called with its state, at once and whenever it has changed.
            timeout_s: None waits for ever.

        Raises:
            JobError: its job failed or was cancelled.
            TimeoutError: it is not done after `timeout_s`; the service goes on with it.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        shown: Self | None = None
        now, pause_s = self, 0.02
        while True:
            if progress is not None and now != shown:
                progress(now)
                shown = now
            if now.state == "done":
                return now
            if now.state in _FINAL:
                raise JobError(f"{now.what} {now.id} {now.state}: {now.error or 'ask for it again to go on with it'}")
            if deadline is not None and time.monotonic() + pause_s > deadline:
                raise TimeoutError(
                    f"{now.what} {now.id} {now._so_far()} after {timeout_s:g} s; "
                    "the service goes on with it: wait again, or longer"
                )
            time.sleep(pause_s)
            pause_s = min(1.0, pause_s * 1.5)
            now = now.refresh()

    def cancel(self) -> Self:
        """Stop its job."""
        if self.links["job"] is not None:
            self._client.send("POST", f"{self.links['job']}/cancel")
        return self.refresh()

    def _so_far(self) -> str:
        return f"is {self.state}"


@dataclass(frozen=True)
class ImageSet(_Work):
    """An image set. Cancelled, it goes on when the same set is created again.

    Args:
        done, total: images.
        images_per_s, eta_s: rate, and seconds left at it; None when unknown.
        shards, shard_images: how many WebDataset shards, and images in each but the last.
        request: the request with every default spelt out.
    """

    what: ClassVar[str] = "image set"

    done: int
    total: int
    images_per_s: float | None
    eta_s: float | None
    shards: int
    shard_images: int
    request: Mapping[str, Any]

    def __len__(self) -> int:
        return self.total

    @property
    def shard_urls(self) -> list[str]:
        """URLs of the WebDataset shards, for loaders that fetch, and trust, by themselves."""
        return [self._client.url(self.links["shard"].format(n=n)) for n in range(self.shards)]

    def manifest(self) -> list[dict[str, Any]]:
        """A row for each image, in order."""
        data = self._client.fetch(self.links["manifest"])
        return [json.loads(line) for line in data.splitlines()]

    def item(self, index: int) -> Item:
        """One image, fetched by itself; for many, iterate."""
        row = self.manifest()[index]
        weights = self.request["weights_sha256"]
        model = next((m["name"] for m in self._client.models() if m["weights_sha256"] == weights), None)
        conditions = [c["name"] for c in self._client.conditions(model)["conditions"]]
        image = self._client.fetch(self.links["image"].format(n=index))
        return _verified(Item(image, row, conditions.index(row["condition"])), row)

    def __iter__(self) -> Iterator[Item]:
        """Every image in order, fetched shard by shard and verified against the manifest."""
        for shard in self.iter_shards():
            yield from shard

    def iter_shards(self, numbers: Sequence[int] | None = None) -> Iterator[list[Item]]:
        """The images shard by shard.

        Args:
            numbers: which shards; None is all. Give each of several loader workers its own.

        Raises:
            ChecksumError: an image is not the manifest's, or is missing.
        """
        manifest = self.manifest()
        for number in range(self.shards) if numbers is None else numbers:
            rows = manifest[number * self.shard_images : (number + 1) * self.shard_images]
            with self._client.open(self.links["shard"].format(n=number)) as file:
                items = list(_items(file))
            if len(items) != len(rows):
                raise ChecksumError(f"shard {number} has {len(items)} images; the manifest says {len(rows)}")
            yield [_verified(item, row) for item, row in zip(items, rows, strict=True)]

    def download(self, folder: str | Path) -> Path:
        """Store images/NNNNNN.png, manifest.jsonl and request.json; what is there unharmed is kept.

        Returns:
            The folder.

        Raises:
            ChecksumError: the manifest names a file outside the set, or an image is not the manifest's.
            FileExistsError: the folder holds another set.
        """
        folder = Path(folder)
        request = json.dumps(dict(self.request), indent=1).encode()
        if (there := folder / "request.json").is_file() and there.read_bytes() != request:
            raise FileExistsError(f"{folder} holds another image set; take another folder")
        manifest = self.manifest()
        if strange := [row["file"] for row in manifest if not _IMAGE.fullmatch(row["file"])]:
            raise ChecksumError(f"the manifest names {strange[0]!r}; expected images/NNNNNN.png: nothing was written")
        (folder / "images").mkdir(parents=True, exist_ok=True)
        _write_aside(folder / "request.json", request)
        for number in range(self.shards):
            rows = manifest[number * self.shard_images : (number + 1) * self.shard_images]
            if all(_is_there(folder / row["file"], row["sha256"]) for row in rows):
                continue
            for item in next(self.iter_shards([number])):
                _write_aside(folder / item.row["file"], item.image)
        _write_aside(folder / "manifest.jsonl", self._client.fetch(self.links["manifest"]))
        return folder

    def sheet(self) -> bytes:
        """PNG bytes of the contact sheet."""
        return self._client.fetch(self.links["sheet"])

    def _so_far(self) -> str:
        return f"has {self.done} of {self.total} images"


@dataclass(frozen=True)
class Edit(_Work):
    """A face with another expression, of a photograph or of an image set: edited or synthetic, no photograph.

    Args:
        request: what was asked for.
        result: strength, smile before and after, what else moved, verdict and because; None until it is done.
    """

    what: ClassVar[str] = "edit"

    request: Mapping[str, Any]
    result: Mapping[str, Any] | None

    def image(self) -> bytes:
        """PNG bytes of the edited face."""
        return self._client.send("GET", self.links["image"]).content

    def before(self) -> bytes:
        """PNG bytes of the same face unedited, which the edited one is to be compared with."""
        return self._client.send("GET", self.links["before"]).content


@dataclass(frozen=True)
class Photo(_Work):
    """A photograph that was sent, and what the generator makes of it.

    Args:
        model: name of the generator that reproduces it.
        expires: when the service erases it with all that is derived from it, ISO 8601.
        quality: how well it is reproduced, with a verdict; None until it is done.
        notes: what is to be known of the face that was taken.
    """

    what: ClassVar[str] = "photograph"

    model: str
    expires: str
    quality: Mapping[str, Any] | None
    notes: str

    def crop(self) -> bytes:
        """PNG bytes of the aligned face."""
        return self._client.send("GET", self.links["crop"]).content

    def reconstruction(self) -> bytes:
        """PNG bytes of the face as the generator reproduces it."""
        return self._client.send("GET", self.links["reconstruction"]).content

    def edit(
        self,
        *,
        smile: float | None = None,
        strength: float | None = None,
        direction: str | None = None,
        condition: str | None = None,
        hold: bool | None = None,
        wait_s: float = 0,
    ) -> Edit:
        """Ask for another expression: a smile to reach, or a strength along a direction.

        Args:
            smile: 0 at rest, 1 broad.
            strength: instead, in units of the direction.
            direction: name from `Client.directions`; None is the smile.
            condition: take the direction of this condition, where there is one.
            hold: lead back what else moves; None does.
            wait_s: let the service wait so long for it before it answers.

        Raises:
            ServiceError: a field cannot be, or the photograph is not inverted.
        """
        body = {"smile": smile, "strength": strength, "direction": direction, "condition": condition, "hold": hold}
        return self._client.described(Edit, self._client.ask(self.links["edits"], body, wait_s, _any_key()))

    def erase(self) -> dict[str, Any]:
        """Erase it with all that is derived from it, survey packs included; the receipt."""
        return dict(self._client.send("DELETE", self.links["self"]).json())


@dataclass(frozen=True)
class Pack(_Work):
    """A survey pack of photographs as reconstructed and edited.

    Args:
        done, total: photographs.
        people: who is in it; None until it is done.
        left_out: `photograph` and `reason` of those who are not.
        expires: when the service erases it, ISO 8601.
    """

    what: ClassVar[str] = "survey pack"

    done: int
    total: int
    people: int | None
    left_out: Sequence[Mapping[str, str]]
    expires: str

    def download(self, path: str | Path) -> Path:
        """Store the pack as a zip, whole or not at all; the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _aside(path) as aside, aside.open("wb") as file:
            self._client.stream_to(file, self.links["archive"], checked=False)
        return path

    def erase(self) -> None:
        """Erase it; the photographs stay."""
        self._client.send("DELETE", self.links["self"])

    def _so_far(self) -> str:
        return f"has {self.done} of {self.total} photographs"


class Client:
    """Talks to one service.

    Args:
        base_url: such as http://127.0.0.1:8000.
        key: API key; None takes GESTALTGEN_KEY from the environment, and sends none without it.
        timeout_s: longest silence of the service.
        attempts: how often a request is sent before giving up; only connection failures and 429, 502, 503 and
            504 are tried again, after Retry-After or a growing pause.
        transport: of httpx, for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 8,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = key or os.environ.get("GESTALTGEN_KEY")
        self._base_url = base_url.rstrip("/") + "/"
        self._attempts = attempts
        self._timeout_s = timeout_s
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(timeout=timeout_s, transport=transport, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # An interrupt may have left httpcore's lock taken, and closing would wait for it for ever.
        if kind is None or issubclass(kind, Exception):
            self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(
        self,
        *,
        kind: str,
        conditions: Sequence[str] | None = None,
        ages: Sequence[str] | None = None,
        count: int | None = None,
        seeds: Sequence[int] | None = None,
        seed: int | None = None,
        truncation: float | None = None,
        blend: float | None = None,
        partners: Sequence[str] | None = None,
        noise: str | None = None,
        precision: str | None = None,
        model: str | None = None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
    ) -> ImageSet:
        """Ask for an image set; the same request is the same set. None takes the service's default.

        Args:
            kind: unrelated, age_related, age_progression, blended or average.
            precision: float32, bfloat16 or auto; name one of the first two for the same set on any hardware.
            model: name from `models`; None takes the first.
            wait_s: let the service wait so long before it answers; a small set is then made at once, without a job.
            idempotency_key: any text; a different request with the same key is refused.

        Raises:
            ServiceError: a field cannot be; `problem["errors"]` says which and what is accepted.
        """
        body = {
            "kind": kind,
            "conditions": _listed(conditions),
            "ages": _listed(ages),
            "count": count,
            "seeds": _listed(seeds),
            "seed": seed,
            "truncation": truncation,
            "blend": blend,
            "partners": _listed(partners),
            "noise": noise,
            "precision": precision,
            "model": model,
        }
        return self.described(ImageSet, self.ask("v1/image-sets", body, wait_s, idempotency_key))

    def image_set(self, set_id: str) -> ImageSet:
        """An image set by its id."""
        return self.described(ImageSet, self.send("GET", f"v1/image-sets/{set_id}"))

    def edit_image(
        self,
        image_set: ImageSet,
        n: int,
        *,
        smile: float | None = None,
        strength: float | None = None,
        direction: str | None = None,
        condition: str | None = None,
        hold: bool | None = None,
        wait_s: float = 0,
    ) -> Edit:
        """Ask for another expression of the n-th face of a set; arguments as of `Photo.edit`."""
        body = {"smile": smile, "strength": strength, "direction": direction, "condition": condition, "hold": hold}
        path = f"{image_set.links['self']}/images/{n}/edits"
        return self.described(Edit, self.ask(path, body, wait_s, _any_key()))

    def send_photo(
        self,
        photo: str | Path | bytes,
        *,
        consent: str,
        purpose: str,
        model: str | None = None,
        keep_original: bool = False,
        aligned: bool = False,
        ttl_s: int | None = None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
    ) -> Photo:
        """Send a photograph to be inverted; the service deletes the file then, and the rest when its time is over.

        Args:
            photo: JPEG, PNG or WebP: a path, or the file's bytes.
            consent: your reference to the consent of the person shown, ASCII.
            purpose: what it is used for, ASCII.
            keep_original: keep the file too.
            aligned: it is an aligned square already.
            ttl_s: erase everything after so many seconds; None takes the service's time.

        Raises:
            ServiceError: it was refused. What only decoding can tell, such as that no face is found, `wait` raises.
        """
        for text in (consent, purpose):
            if not (text.isascii() and text.isprintable()):
                raise ValueError(f"{text!r} cannot be a header; give consent and purpose in printable ASCII, in a line")
        asked = {"model": model, "ttl_s": ttl_s, "keep_original": keep_original or None, "aligned": aligned or None}
        answer = self.ask(
            "v1/photos",
            None,
            wait_s,
            idempotency_key or _any_key(),
            content=_bytes_of(photo),
            params={name: value for name, value in asked.items() if value is not None},
            headers={"Consent-Reference": consent, "Purpose": purpose},
        )
        return self.described(Photo, answer)

    def photo(self, photo_id: str) -> Photo:
        """A photograph by its id."""
        return self.described(Photo, self.send("GET", f"v1/photos/{photo_id}"))

    def stimuli(
        self,
        photos: Sequence[Photo | str],
        *,
        smile: float | None = None,
        groups: Mapping[str, str] | None = None,
        seed: int | None = None,
        doubtful: bool | None = None,
        wait_s: float = 0,
    ) -> Pack:
        """Ask for a survey pack.

        Args:
            photos: inverted, or their ids.
            smile: to reach; None is the opposite of each face's own.
            groups: group of a photograph, by its id: half of each group is edited in each version.
            seed: of halves, order and file names; None is 0.
            doubtful: keep faces whose inversion or edit is doubtful; None leaves them out.
        """
        ids = [photo.id if isinstance(photo, Photo) else photo for photo in photos]
        body = {"photos": ids, "smile": smile, "groups": groups, "seed": seed, "doubtful": doubtful}
        return self.described(Pack, self.ask("v1/stimuli", body, wait_s, _any_key()))

    def verify(self, picture: str | Path | bytes) -> dict[str, Any]:
        """Whether the service made a picture, a path or bytes: verdict, how, source, and what the file claims."""
        return dict(self.send("POST", "v1/verify", content=_bytes_of(picture)).json())

    def conditions(self, model: str | None = None) -> dict[str, Any]:
        """The conditions and age groups that can be asked for, in the order of the class indices."""
        return dict(self.send("GET", "v1/conditions", params={"model": model} if model else {}).json())

    def directions(self, model: str | None = None) -> list[dict[str, Any]]:
        """What faces of a generator can be moved along, how far to trust it, and what moves with it."""
        found = self.send("GET", "v1/directions", params={"model": model} if model else {})
        return list(found.json()["items"])

    def models(self) -> list[dict[str, Any]]:
        """The generators of the service, the one for requests that name none first."""
        return list(self.send("GET", "v1/models").json()["items"])

    def training_images(self, model: str | None = None) -> dict[str, Any]:
        """Which images a generator was trained on: `known`, `complete`, and `keys`, 16 hex digits for each.

        Args:
            model: name from `models`; None takes the first.

        Raises:
            ServiceError: 404, there is none of that name, or the service is of a version that does not tell.
        """
        name = self.models()[0]["name"] if model is None else model
        return dict(self.send("GET", f"v1/models/{quote(name, safe='')}/training-images").json())

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the service has loaded its weights.

        Raises:
            ServiceError: it has not after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answer = self._http.get(self.url("readyz"))
                if answer.status_code == 200:
                    return
                error = _error(answer)
            except httpx.TransportError as failure:
                error = ServiceError(f"{self._base_url} does not answer: {failure}")
            if time.monotonic() > deadline:
                raise error
            time.sleep(0.1)

    def url(self, path: str) -> str:
        """The URL of a path."""
        return urljoin(self._base_url, path.lstrip("/"))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request and its answer, tried again while the failure is transient.

        Raises:
            ServiceError: it was refused, or failed until the attempts ran out.
        """

        def once() -> httpx.Response:
            answer = self._http.request(method, self.url(path), **options)
            if not answer.is_success:
                raise _error(answer)
            return answer

        return self._until_it_works(f"{method} {self.url(path)}", once)

    def ask(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Ask for something to be made; what is None in the body is left out.

        Args:
            idempotency_key: with it, once, however often the request has to be sent.
        """
        headers = options.pop("headers", {})
        if wait_s:
            headers["Prefer"] = f"wait={wait_s:.0f}"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if body is not None:
            options["json"] = {name: value for name, value in body.items() if value is not None}
        return self.send("POST", path, headers=headers, timeout=self._timeout_s + wait_s, **options)

    def described(self, kind: type[_W], answer: httpx.Response) -> _W:
        """What an answer describes."""
        data = answer.json()
        return kind(**{part.name: data[part.name] for part in fields(kind) if part.name in data}, _client=self)

    def fetch(self, path: str) -> bytes:
        """Bytes of a file, verified against its ETag.

        Raises:
            ChecksumError: they are not what the ETag says.
        """
        answer = self.send("GET", path)
        _check(hashlib.sha256(answer.content).hexdigest(), answer, self.url(path))
        return answer.content

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A large file, streamed to a temporary one and verified against its ETag."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            self.stream_to(file, path)
            file.seek(0)
            yield file

    def stream_to(self, file: IO[bytes], path: str, *, checked: bool = True) -> None:
        """Write what lies at a path to a file.

        Args:
            checked: its ETag is its sha256, and compared.
        """

        def once() -> None:
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            with self._http.stream("GET", self.url(path)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _error(answer)
                for block in answer.iter_bytes():
                    file.write(block)
                    digest.update(block)
                if checked:
                    _check(digest.hexdigest(), answer, self.url(path))

        self._until_it_works(f"GET {self.url(path)}", once)

    def _until_it_works(self, request: str, once: Callable[[], _T]) -> _T:
        """Pauses after failures: 0.1, 0.2, 0.4 ... at most 5 seconds, or what the service asks for."""
        for attempt in range(1, self._attempts + 1):
            try:
                return once()
            except ServiceError as failure:
                error = failure
                if failure.status not in _TRANSIENT:
                    raise
            except httpx.TransportError as failure:
                hint = "; does the service run?" if isinstance(failure, httpx.ConnectError) else ""
                error = ServiceError(f"{request}: {type(failure).__name__}: {failure}{hint}")
            if attempt < self._attempts:
                time.sleep(max(error.retry_after_s, min(5.0, 0.05 * 2**attempt)))
        raise error


def _items(file: IO[bytes]) -> Iterator[Item]:
    """The samples of a WebDataset shard whose members come in the order png, json, cls."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        sample: dict[str, bytes] = {}
        for member in tar:
            content = tar.extractfile(member)
            sample[member.name.rpartition(".")[2]] = content.read() if content else b""
            if len(sample) == 3:
                yield Item(sample["png"], json.loads(sample["json"]), int(sample["cls"]))
                sample = {}


def _verified(item: Item, row: Mapping[str, Any]) -> Item:
    if dict(item.row) != dict(row):
        raise ChecksumError(f"image {item.row.get('index')} has a label that is not the manifest's; fetch it again")
    digest = hashlib.sha256(item.image).hexdigest()
    if digest != row["sha256"]:
        raise ChecksumError(f"image {item.index} has sha256 {digest}; the manifest says {row['sha256']}: it is damaged")
    return item


def _check(digest: str, answer: httpx.Response, url: str) -> None:
    expected = answer.headers.get("ETag", "").strip('"')
    if expected != digest:
        raise ChecksumError(f"{url} has sha256 {digest}; its ETag says {expected or 'nothing'}: the file is damaged")


def _error(answer: httpx.Response) -> ServiceError:
    try:
        problem = answer.json()
        message = f"{problem['status']} {problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        problem, message = None, f"{answer.status_code} {answer.reason_phrase}: {answer.text[:200]}"
    if answer.status_code == 401:
        message += " Set GESTALTGEN_KEY to a good key, or give one to Client(key=…)."
    given = answer.headers.get("Retry-After", "")
    return ServiceError(message, answer.status_code, problem, min(60.0, float(given)) if given.isdigit() else 0.0)


def _any_key() -> str:
    """An Idempotency-Key for a request that is sent again only when it failed on the way."""
    return secrets.token_hex(16)


def _bytes_of(picture: str | Path | bytes) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def _listed(values: Sequence[Any] | None) -> list[Any] | None:
    return [values] if isinstance(values, str) else None if values is None else list(values)


def _is_there(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _write_aside(path: Path, data: bytes) -> None:
    with _aside(path) as aside:
        aside.write_bytes(data)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """A path beside another, whose file becomes that of the other if nothing goes wrong."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
