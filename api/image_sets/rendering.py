"""Rendering of image sets, a chunk at a time: rows in, stored PNG files out. Jobs and local sets both use it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from api.image_sets.scoring import ImageScorer
from api.image_sets.storage import ImageSetStore, chunks, list_images
from api.models.model import Model, Pixels, RenderPlan, Row, identify_row
from api.provenance.claims import Claim
from api.provenance.marks import encode
from api.provenance.registry import Picture, Registry, compute_key
from faces.images import pixels_digest, read_image

CHUNK_IMAGES: Final = 32
"""Images in a chunk; fixed, as a convolution's last bit can depend on the batch, and stored bytes should not."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive images of a set; those that no set has yet are being rendered.

    Args:
        plan: of the set.
        start: place of the first.
        rows, whats, keys: row, description and registry key of each image.
        kept: digest of the pixels and PNG of those that are stored in some set, by their keys.
        images: the others, in order, as they arrive.
    """

    plan: RenderPlan
    start: int
    rows: Sequence[Row]
    whats: Sequence[dict[str, Any]]
    keys: Sequence[str]
    kept: Mapping[str, tuple[str, bytes]]
    images: Iterable[Pixels]


def begin_chunk(
    store: ImageSetStore,
    model: Model,
    plan: RenderPlan,
    start: int,
    stop: int,
    render: Callable[[RenderPlan, Sequence[Row]], Iterable[Pixels]],
    registry: Registry | None = None,
) -> Chunk | None:
    """Start to render images [start, stop) of a set; None if they are stored and intact. Images of other sets are
    not rendered again.

    Args:
        registry: of all that was made; None renders everything.
    """
    if store.is_complete(plan.id) or store.has_chunk(plan.id, start, stop):
        return None
    rows = plan.rows[start:stop]
    whats = [model.describe(plan, row) for row in rows]
    keys = [compute_key(model.info.weights_sha256, what) for what in whats]
    kept = _find_stored(store, registry, keys)
    missing = [row for row, key in zip(rows, keys, strict=True) if key not in kept]
    return Chunk(plan, start, rows, whats, keys, kept, render(plan, missing) if missing else ())


def finish_chunk(
    store: ImageSetStore,
    model: Model,
    chunk: Chunk,
    registry: Registry | None = None,
    encode: Callable[[Pixels, Claim], bytes] = encode,
    scorer: ImageScorer | None = None,
) -> int:
    """Encode and store a chunk as its images arrive.

    Args:
        encode: encodes an image and its claim as PNG.
        scorer: scores the images for the manifest; None if no scores are asked for, or a selection has them already.

    Returns:
        How many images were rendered.
    """
    rows, pngs, pictures = _encode_chunk(model, chunk, encode, scorer)
    if registry is not None:  # before they are stored: a chunk that is there is not looked at again
        registry.add(pictures)
    store.write_chunk(chunk.plan.id, chunk.start, rows, pngs)
    return sum(key not in chunk.kept for key in chunk.keys)


def _encode_chunk(
    model: Model, chunk: Chunk, encode: Callable[[Pixels, Claim], bytes], scorer: ImageScorer | None = None
) -> tuple[list[dict[str, Any]], list[bytes], list[Picture]]:
    """Encode the images of a chunk as they arrive; returns their rows, PNG files and entries of the registry."""
    digests, pngs, images, scored = [], [], iter(chunk.images), list[Pixels]()
    for key, what in zip(chunk.keys, chunk.whats, strict=True):
        if key in chunk.kept:
            digest, png = chunk.kept[key]
            image = None if scorer is None else read_image(png)
        else:
            image = next(images)
            digest = pixels_digest(image)
            png = encode(image, Claim("synthetic", model.info.weights_sha256, what))
        digests.append(digest)
        pngs.append(png)
        if scorer is not None and image is not None:
            scored.append(image)
    pictures = [
        Picture(key, digest, hashlib.sha256(png).hexdigest(), chunk.plan.id, number)
        for number, (key, digest, png) in enumerate(zip(chunk.keys, digests, pngs, strict=True), chunk.start)
    ]
    rows = _describe_rows(model, chunk)
    if scorer is not None:
        each = zip(rows, scorer.score(rows, np.stack(scored)), strict=True)
        rows = [{**row, "scores": scores} for row, scores in each]
    return rows, pngs, pictures


def _describe_rows(model: Model, chunk: Chunk) -> list[dict[str, Any]]:
    """Return the rows of a chunk for the manifest, with the precision and the identifiers of each condition."""
    known, rows = model.info.identifiers, []
    for row, what in zip(chunk.rows, chunk.whats, strict=True):
        line = row.to_json() | {"precision": what["precision"]}
        rows.append(line | {"identifiers": dict(known.get(line["condition"], {}))})
    if (scores := chunk.plan.scores) is not None:
        return [{**row, "scores": scores[identify_row(row)]} for row in rows]
    return rows


def make_chunk(
    store: ImageSetStore,
    model: Model,
    plan: RenderPlan,
    start: int,
    stop: int,
    render: Callable[[RenderPlan, Sequence[Row]], Iterable[Pixels]],
    registry: Registry | None = None,
    encode: Callable[[Pixels, Claim], bytes] = encode,
    scorer: ImageScorer | None = None,
) -> int:
    """Render and store images [start, stop) of a set; arguments as `begin_chunk` and `finish_chunk`, and what is
    returned as `finish_chunk`."""
    chunk = begin_chunk(store, model, plan, start, stop, render, registry)
    return 0 if chunk is None else finish_chunk(store, model, chunk, registry, encode, scorer)


def make_set(
    store: ImageSetStore,
    model: Model,
    plan: RenderPlan,
    render: Callable[[RenderPlan, Sequence[Row]], Iterable[Pixels]],
    registry: Registry,
    record: Callable[[Sequence[Picture], str, int], None],
    encode: Callable[[Pixels, Claim], bytes] = encode,
) -> bool:
    """Render, store and publish a set of a single chunk; other arguments as `begin_chunk` and `finish_chunk`.

    Args:
        record: records the pictures of the set, and the bytes that it takes, before they are stored.

    Returns:
        False, and nothing is done, if the chunk was stored before.
    """
    chunk = begin_chunk(store, model, plan, 0, len(plan.rows), render, registry)
    if chunk is None:
        return False
    rows, pngs, pictures = _encode_chunk(model, chunk, encode)
    manifest = list_images(0, rows, pngs)
    record(pictures, plan.id, store.measure_request(plan.id) + len(manifest) + sum(map(len, pngs)))
    store.write_set(plan.id, pngs, manifest)
    return True


def _find_stored(store: ImageSetStore, registry: Registry | None, keys: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """Find images that some set has intact: digest of the pixels and PNG file, by registry key."""
    if registry is None:
        return {}
    made = registry.find_each(keys)
    pngs = store.read_intact((picture.subject, picture.number, picture.sha256) for picture in made.values())
    return {key: (made[key].pixels, png) for key, png in zip(made, pngs, strict=True) if png is not None}


def make_chunks(
    store: ImageSetStore, model: Model, plan: RenderPlan, scorer: ImageScorer | None = None
) -> Iterator[int]:
    """Render and store a whole set without a service: the next chunk is rendered while the last one is stored.

    Args:
        scorer: as of `finish_chunk`.

    Yields:
        The number of images that are stored.
    """
    with ThreadPoolExecutor(1) as renderer:

        def render(plan: RenderPlan, rows: Sequence[Row]) -> Iterator[Pixels]:
            return _wait_for_images(renderer.submit(model.render, plan, rows))

        bounds = [*chunks(len(plan.rows), CHUNK_IMAGES)]
        ahead = begin_chunk(store, model, plan, *bounds[0], render)
        for (_, stop), following in zip(bounds, [*bounds[1:], None], strict=True):
            chunk, ahead = ahead, None if following is None else begin_chunk(store, model, plan, *following, render)
            if chunk is not None:
                finish_chunk(store, model, chunk, scorer=scorer)
            yield stop


def _wait_for_images(images: Future[Pixels]) -> Iterator[Pixels]:
    yield from images.result()
