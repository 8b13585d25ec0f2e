"""From rows to stored PNGs, a chunk at a time: what a job does, and what can be done without a service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from api.model import Pixels, Plan, Row
from api.provenance import png_text
from api.storage import Store
from faces.images import encode_png

CHUNK_IMAGES: Final = 64
"""Images in a chunk; fixed, as a convolution's last bit can depend on the batch, and stored bytes must not."""


def make_chunk(
    store: Store,
    plan: Plan,
    start: int,
    stop: int,
    render: Callable[[Plan, Sequence[Row]], Pixels],
    weights_sha256: str,
) -> int:
    """Render and store images [start, stop) of a set, unless they are there unharmed.

    Returns:
        How many images were rendered.
    """
    if store.has_chunk(plan.id, start, stop):
        return 0
    rows = plan.rows[start:stop]
    labels = [row.to_json() for row in rows]
    pngs = [
        encode_png(image, png_text(plan.id, label, weights_sha256))
        for image, label in zip(render(plan, rows), labels, strict=True)
    ]
    store.write_chunk(plan.id, start, labels, pngs)
    return len(rows)
