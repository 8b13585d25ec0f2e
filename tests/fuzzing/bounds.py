"""The property that readers of files have, and files that are nearly right."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from core.errors import GestaltError

MOST_SECONDS: Final = 1.0
MOST_MEMORY_KB: Final = 300_000


@contextmanager
def refused_or_read() -> Iterator[None]:
    """Accept what is read, and errors of the project, within a second of processor time and 300 MB."""
    began, before = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(GestaltError):
        yield
    assert time.thread_time() - began < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY_KB


@st.composite
def damaged(draw: DrawFn, files: Sequence[bytes], pieces: Sequence[bytes] = ()) -> bytes:
    """Draw one of the files with up to six changes: bytes or pieces put in, taken away, repeated, or cut off."""
    data = bytearray(draw(st.sampled_from(files)))
    content: SearchStrategy[bytes] = st.binary(max_size=8)
    if pieces:
        content |= st.sampled_from(pieces)
    for _ in range(draw(st.integers(0, 6))):
        at, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        change = draw(st.sampled_from(("replace", "insert", "delete", "repeat", "end")))
        if change == "replace":
            put = draw(content)
            data[at : at + len(put)] = put
        elif change == "insert":
            data[at:at] = draw(content)
        elif change == "delete":
            del data[at:end]
        elif change == "repeat":
            data[at:at] = data[at:end] * draw(st.integers(1, 20))
        else:
            del data[at:]
    return bytes(data)


JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**400, 0.5, float("nan"), float("inf"), 1e308, "", "null"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Values of JSON documents."""

DEEP: Final = (b"[" * 100_000, b'{"a":' * 100_000)
"""JSON that is nested too deep for a recursive parser."""


@st.composite
def altered(draw: DrawFn, value: object) -> object:
    """Draw a JSON value like another one, of which parts are missing, moved, or replaced by any other value."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(value, dict):
        kept = {key: draw(altered(one)) for key, one in value.items() if draw(st.integers(0, 19))}
        return kept | draw(st.dictionaries(st.text(max_size=8), JSON, max_size=1))
    if isinstance(value, list):
        return [draw(altered(one)) for one in value if draw(st.integers(0, 19))]
    return value
