"""From rows to stored pictures, a chunk at a time: what a job does, and what can be done without a service."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from api.marking import Claim, encode, pixels_digest
from api.model import Model, Pixels, Plan, Row
from api.registry import Picture, Registry, key_of
from api.storage import Store

CHUNK_IMAGES: Final = 64
"""Images in a chunk; fixed, as a convolution's last bit can depend on the batch, and stored bytes should not."""


def make_chunk(
    store: Store,
    model: Model,
    plan: Plan,
    start: int,
    stop: int,
    render: Callable[[Plan, Sequence[Row]], Iterable[Pixels]],
    registry: Registry | None = None,
) -> int:
    """Store images [start, stop) of a set, unless they are there unharmed. What was made for another set is not
    rendered again.

    Args:
        registry: of all that was made; None renders everything.

    Returns:
        How many images were rendered.
    """
    if store.is_complete(plan.id) or store.has_chunk(plan.id, start, stop):
        return 0
    rows, weights = plan.rows[start:stop], model.info.weights_sha256
    whats = [model.describe(plan, row) for row in rows]
    keys = [key_of(weights, what) for what in whats]
    pictures = _kept(store, registry, keys)
    missing = [place for place, key in enumerate(keys) if key not in pictures]
    if missing:
        for place, image in zip(missing, render(plan, [rows[place] for place in missing]), strict=True):
            png = encode(image, Claim("synthetic", weights, whats[place]))
            pictures[keys[place]] = pixels_digest(image), png
    pngs = [pictures[key][1] for key in keys]
    if registry is not None:  # before they are stored: a chunk that is there is not looked at again
        digests = [hashlib.sha256(png).hexdigest() for png in pngs]
        registry.add(
            [
                Picture(key, pictures[key][0], digest, plan.id, number)
                for number, (key, digest) in enumerate(zip(keys, digests, strict=True), start)
            ]
        )
    store.write_chunk(plan.id, start, [row.to_json() for row in rows], pngs)
    return len(missing)


def _kept(store: Store, registry: Registry | None, keys: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Digest of the pixels and PNG of those that are stored in some set, unharmed, by their keys."""
    if registry is None:
        return {}
    found: dict[str, tuple[str, bytes]] = {}
    for key, picture in registry.made(keys).items():
        png = store.unharmed(picture.subject, picture.number, picture.sha256)
        if png is not None:
            found[key] = picture.pixels, png
    return found
