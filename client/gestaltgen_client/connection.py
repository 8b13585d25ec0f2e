"""HTTP connection to one service: requests that are repeated after transient failures, downloads that are verified."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin

import httpx

from gestaltgen_client.errors import ChecksumError, ServiceError, make_service_error

if TYPE_CHECKING:
    from typing_extensions import Self

_TRANSIENT: Final = frozenset({429, 502, 503, 504})
_BUSY: Final = frozenset(
    f"urn:gestaltgen:problem:{slug}"
    for slug in ("model-busy", "models-loading", "queue-full", "too-many-at-once", "too-many-requests")
)
"""Problems that pass if one waits; they say nothing against the request."""
_IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_LONGEST_WAIT_S: Final = 20.0
"""Longest wait for a result in one request; a longer one takes several, which proxies and slow machines let pass."""
_LOOK_S: Final = 1.0
"""Pause between two looks at a result that takes longer."""
_ALIVE_S: Final = 30.0
"""Longest time in which a service that runs says so."""
_TELL_EVERY_S: Final = 60.0
_logger: Final = logging.getLogger("gestaltgen_client")
_T = TypeVar("_T")


class Connection:
    """HTTP connection to one service.

    Args:
        base_url: such as http://127.0.0.1:8000.
        key: API key; None takes the environment variable GESTALTGEN_KEY, and sends no key if that is not set.
        timeout_s: longest time without any data from the service before a request fails.
        attempts: how often a request may fail before the client gives up. Only failures of the connection and the
            status codes 429, 502, 503 and 504 are tried again, after `Retry-After` or a growing pause. Slowness is no
            failure: where the service says that it is busy, or runs (`/livez`) and has not answered after
            `timeout_s`, the client asks again for as long as it takes, and logs a warning each minute.
        transport: httpx transport to use instead of the network, for tests.
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
        # After an interrupt httpcore's lock may be held for ever, and closing would wait for it.
        if kind is None or issubclass(kind, (Exception, GeneratorExit)):
            self.close()

    def close(self) -> None:
        """Close the network connections."""
        self._http.close()

    def url(self, path: str) -> str:
        """Return the full URL of a path of the service."""
        return urljoin(self._base_url, path.lstrip("/"))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return its answer. Transient failures are tried again.

        Args:
            options: further arguments of `httpx.Client.request`.

        Raises:
            ServiceError: the request was refused, or failed at every attempt.
        """

        def send_once() -> httpx.Response:
            answer = self._http.request(method, self.url(path), **options)
            if not answer.is_success:
                raise make_service_error(answer)
            return answer

        return self._repeat(f"{method} {self.url(path)}", send_once)

    def ask(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Ask the service to make something, with POST. Fields of the body that are None are left out.

        Args:
            wait_s: how long to wait for the result; the answer then says how far it is.
            idempotency_key: the service makes the thing once for each key, however often the request arrives.
            options: further arguments of `httpx.Client.request`.

        Raises:
            ServiceError: the request was refused, or failed at every attempt.
        """
        headers = options.pop("headers", {})
        deadline, first_wait_s = time.monotonic() + wait_s, min(wait_s, _LONGEST_WAIT_S)
        if wait_s:
            headers["Prefer"] = f"wait={first_wait_s:.0f}"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if body is not None:
            options["json"] = {name: value for name, value in body.items() if value is not None}
        answer = self.send("POST", path, headers=headers, timeout=self._timeout_s + first_wait_s, **options)
        while time.monotonic() < deadline and answer.json().get("state") in ("queued", "running"):
            time.sleep(min(_LOOK_S, max(0.0, deadline - time.monotonic())))
            answer = self.send("GET", answer.json()["links"]["self"])
        return answer

    def fetch(self, path: str) -> bytes:
        """Download a file into memory and verify it against its ETag.

        Raises:
            ChecksumError: the bytes do not match the ETag.
            ServiceError: the request was refused, or failed at every attempt.
        """
        answer = self.send("GET", path)
        _verify_etag(hashlib.sha256(answer.content).hexdigest(), answer, self.url(path))
        return answer.content

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Download a large file to a temporary one, verify it against its ETag, and open it for reading."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            self.stream_to(file, path)
            file.seek(0)
            yield file

    def stream_to(self, file: IO[bytes], path: str, *, checked: bool = True) -> None:
        """Download a file of the service into an open file. A download that breaks off starts again.

        Args:
            checked: verify the bytes against the ETag, which then has to be their sha256.

        Raises:
            ChecksumError: the bytes do not match the ETag.
            ServiceError: the request was refused, or failed at every attempt.
        """

        def stream_once() -> None:
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            with self._http.stream("GET", self.url(path)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise make_service_error(answer)
                for block in answer.iter_bytes():
                    file.write(block)
                    digest.update(block)
                if checked:
                    _verify_etag(digest.hexdigest(), answer, self.url(path))

        self._repeat(f"GET {self.url(path)}", stream_once)

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the service has loaded its weights.

        Raises:
            ServiceError: the service is not ready after `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answer = self._http.get(self.url("readyz"))
                if answer.status_code == 200:
                    return
                error = make_service_error(answer)
            except httpx.TransportError as failure:
                error = ServiceError(f"{self._base_url} does not answer: {failure}")
            if time.monotonic() > deadline:
                raise error
            time.sleep(0.1)

    def _repeat(self, request: str, attempt: Callable[[], _T]) -> _T:
        """Call `attempt` until it succeeds, fails for good, or has failed too often. Slowness does not count.

        The pauses are 0.1, 0.2, 0.4 ... at most 5 seconds, or longer if the service asks for it.
        """
        failures, pause_s, told = 0, _FIRST_PAUSE_S, time.monotonic()
        while True:
            try:
                return attempt()
            except ServiceError as failure:
                error = failure
                if failure.status not in _TRANSIENT:
                    raise
                slow = failure.problem.get("type") in _BUSY
            except httpx.TransportError as failure:
                hint = "; is the service running?" if isinstance(failure, httpx.ConnectError) else ""
                error = ServiceError(f"{request}: {type(failure).__name__}: {failure}{hint}")
                slow = isinstance(failure, (httpx.ReadTimeout, httpx.WriteTimeout)) and self._is_alive()
            failures += not slow
            if failures >= self._attempts:
                raise error
            if slow and time.monotonic() - told >= _TELL_EVERY_S:
                told = time.monotonic()
                _logger.warning("The service runs, and is slow to answer. The client goes on waiting. %s", error)
            time.sleep(max(error.retry_after_s, pause_s))
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    def _is_alive(self) -> bool:
        """Ask whether the service runs, which it says at once even where other answers take long."""
        try:
            return self._http.get(self.url("livez"), timeout=min(self._timeout_s, _ALIVE_S)).is_success
        except httpx.TransportError:
            return False


def make_idempotency_key() -> str:
    """Draw an idempotency key for a request that may arrive twice because its answer was lost on the way."""
    return secrets.token_hex(16)


def _verify_etag(digest: str, answer: httpx.Response, url: str) -> None:
    """Compare a sha256 in hex with the ETag of an answer.

    Raises:
        ChecksumError: they differ.
    """
    expected = answer.headers.get("ETag", "").strip('"')
    if expected != digest:
        raise ChecksumError(f"{url} has sha256 {digest}; its ETag says {expected or 'nothing'}: the file is damaged")
