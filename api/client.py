"""A client for the service: ask for an image set, wait, and iterate over verified, labelled images.

It needs only httpx; numpy and Pillow where pixels are wanted. A request that fails on the way is sent again,
a file that breaks off is fetched again, and no image is handed out whose sha256 is not the manifest's.

    client = Client("http://127.0.0.1:8000")
    image_set = client.create(kind="age_progression", conditions=["WS"], count=20).wait()
    for item in image_set:
        train(item.array(), item.soft_label)
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self
from urllib.parse import urljoin

import httpx

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TRANSIENT: Final = frozenset({429, 502, 503, 504})
_IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
_FINAL: Final = frozenset({"done", "failed", "cancelled"})
_IMAGE: Final = re.compile(r"images/\d+\.png")


class ServiceError(Exception):
    """The service refused, failed, or could not be reached.

    Args:
        message: what a person should read.
        status: HTTP status code; None if there was no answer.
        problem: the problem document (RFC 9457), if there was one; `errors` in it names the fields at fault.
    """

    def __init__(self, message: str, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})


class JobError(ServiceError):
    """The image set's job failed or was cancelled."""


class ChecksumError(ServiceError):
    """Bytes arrived that are not what their checksum says."""


@dataclass(frozen=True)
class Item:
    """One image with its label.

    Args:
        image: PNG bytes, verified.
        row: the manifest's line: index, person, seed, condition, age_group, step, soft_label, file, sha256
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
class ImageSet:
    """An image set as the service last described it; `refresh` asks again.

    Args:
        state: queued, running, done, failed or cancelled.
        done, total: images.
        images_per_s, eta_s: rate, and seconds left at it; None when unknown.
        shards, shard_images: how many WebDataset shards, and images in each but the last.
        request: the request with every default spelt out.
    """

    id: str
    state: str
    done: int
    total: int
    images_per_s: float | None
    eta_s: float | None
    error: str | None
    shards: int
    shard_images: int
    request: Mapping[str, Any]
    links: Mapping[str, Any] = field(repr=False)
    _client: Client = field(repr=False, compare=False)

    def __len__(self) -> int:
        return self.total

    @property
    def shard_urls(self) -> list[str]:
        """URLs of the WebDataset shards, for loaders that fetch, and trust, by themselves."""
        return [self._client.url(self.links["shard"].format(n=n)) for n in range(self.shards)]

    def refresh(self) -> ImageSet:
        """The image set as it is now."""
        return self._client.image_set(self.id)

    def wait(
        self,
        progress: Callable[[ImageSet], None] | None = None,
        timeout_s: float | None = None,
    ) -> ImageSet:
        """Wait until the set is complete.

        Args:
            progress: called with the set's state, at once and whenever it has changed.
            timeout_s: None waits for ever.

        Raises:
            JobError: its job failed or was cancelled.
            TimeoutError: it is not complete after `timeout_s`; the service goes on with it.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        shown: ImageSet | None = None
        now, pause_s = self, 0.02
        while True:
            if progress is not None and now != shown:
                progress(now)
                shown = now
            if now.state == "done":
                return now
            if now.state in _FINAL:
                raise JobError(f"image set {now.id} {now.state}: {now.error or 'ask for it again to go on with it'}")
            if deadline is not None and time.monotonic() + pause_s > deadline:
                raise TimeoutError(
                    f"image set {now.id} has {now.done} of {now.total} images after {timeout_s:g} s; "
                    "the service goes on with it: wait again, or longer"
                )
            time.sleep(pause_s)
            pause_s = min(1.0, pause_s * 1.5)
            now = now.refresh()

    def cancel(self) -> ImageSet:
        """Stop its job; creating the same set again goes on with it."""
        if self.links["job"] is not None:
            self._client.send("POST", f"{self.links['job']}/cancel")
        return self.refresh()

    def manifest(self) -> list[dict[str, Any]]:
        """A row for each image, in order."""
        data = self._client.fetch(self.links["manifest"])
        return [json.loads(line) for line in data.splitlines()]

    def item(self, index: int) -> Item:
        """One image, fetched by itself; for many, iterate."""
        row = self.manifest()[index]
        conditions = [c["name"] for c in self._client.conditions()["conditions"]]
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
        """
        folder = Path(folder)
        manifest = self.manifest()
        if strange := [row["file"] for row in manifest if not _IMAGE.fullmatch(row["file"])]:
            raise ChecksumError(f"the manifest names {strange[0]!r}; expected images/NNNNNN.png: nothing was written")
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for number in range(self.shards):
            rows = manifest[number * self.shard_images : (number + 1) * self.shard_images]
            if all(_is_there(folder / row["file"], row["sha256"]) for row in rows):
                continue
            for item in next(self.iter_shards([number])):
                _write_aside(folder / item.row["file"], item.image)
        _write_aside(folder / "request.json", json.dumps(dict(self.request), indent=1).encode())
        _write_aside(folder / "manifest.jsonl", self._client.fetch(self.links["manifest"]))
        return folder

    def sheet(self) -> bytes:
        """PNG bytes of the contact sheet."""
        return self._client.fetch(self.links["sheet"])


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
        wait_s: float = 0,
        idempotency_key: str | None = None,
    ) -> ImageSet:
        """Ask for an image set; the same request is the same set. None takes the service's default.

        Args:
            kind: unrelated, age_related, age_progression, blended or average.
            wait_s: let the service wait so long for a small set before it answers.
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
        }
        headers = {"Prefer": f"wait={wait_s:.0f}"} if wait_s else {}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        given = {name: value for name, value in body.items() if value is not None}
        timeout_s = self._timeout_s + wait_s
        answer = self.send("POST", "v1/image-sets", json=given, headers=headers, timeout=timeout_s)
        return self._image_set(answer.json())

    def image_set(self, set_id: str) -> ImageSet:
        """An image set by its id."""
        return self._image_set(self.send("GET", f"v1/image-sets/{set_id}").json())

    def conditions(self) -> dict[str, Any]:
        """The conditions and age groups that can be asked for, in the order of the class indices."""
        return dict(self.send("GET", "v1/conditions").json())

    def models(self) -> list[dict[str, Any]]:
        """The weights that the service uses, and where they come from."""
        return list(self.send("GET", "v1/models").json()["items"])

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
        for pause_s in self._pauses():
            try:
                answer = self._http.request(method, self.url(path), **options)
                if answer.is_success:
                    return answer
                error = _error(answer)
                if answer.status_code not in _TRANSIENT:
                    raise error
                pause_s = max(pause_s, _retry_after_s(answer))
            except httpx.TransportError as failure:
                error = ServiceError(f"{method} {self.url(path)}: {type(failure).__name__}: {failure}")
            time.sleep(pause_s)
        raise error

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
            self._stream_to(file, path)
            file.seek(0)
            yield file

    def _stream_to(self, file: IO[bytes], path: str) -> None:
        for pause_s in self._pauses():
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            try:
                with self._http.stream("GET", self.url(path)) as answer:
                    if not answer.is_success:
                        answer.read()
                        error: ServiceError = _error(answer)
                        if answer.status_code not in _TRANSIENT:
                            raise error
                        pause_s = max(pause_s, _retry_after_s(answer))
                    else:
                        for block in answer.iter_bytes():
                            file.write(block)
                            digest.update(block)
                        _check(digest.hexdigest(), answer, self.url(path))
                        return
            except httpx.TransportError as failure:
                error = ServiceError(f"GET {self.url(path)}: {type(failure).__name__}: {failure}")
            time.sleep(pause_s)
        raise error

    def _pauses(self) -> Iterator[float]:
        """Seconds to wait after each failed attempt: 0.1, 0.2, 0.4 ... at most 5; none after the last."""
        for attempt in range(self._attempts):
            yield 0.0 if attempt == self._attempts - 1 else min(5.0, 0.1 * 2**attempt)

    def _image_set(self, data: Mapping[str, Any]) -> ImageSet:
        names = (field.name for field in fields(ImageSet) if field.name in data)
        return ImageSet(**{name: data[name] for name in names}, _client=self)


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
        return ServiceError(f"{problem['status']} {problem['title']}: {problem['detail']}", answer.status_code, problem)
    except (ValueError, KeyError, TypeError):
        return ServiceError(f"{answer.status_code} {answer.reason_phrase}: {answer.text[:200]}", answer.status_code)


def _retry_after_s(answer: httpx.Response) -> float:
    given = answer.headers.get("Retry-After", "")
    return min(60.0, float(given)) if given.isdigit() else 0.0


def _listed(values: Sequence[Any] | None) -> list[Any] | None:
    return [values] if isinstance(values, str) else None if values is None else list(values)


def _is_there(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _write_aside(path: Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(data)
    os.replace(aside, path)
