"""PNG files of phantoms, with marks as the service writes them, against Pillow without marks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from PIL import Image

from api.provenance.claims import Claim
from api.provenance.marks import encode
from benchmarks.harness.comparing import PUBLISHED, MeasurementPlan, Subject, compare_ways
from benchmarks.harness.entries import BenchmarkEntry
from faces.images import Pixels
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom

SIZES: Final = (128, 256)
COUNT: Final = 40


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    for size in SIZES:
        pictures = [draw_phantom(nth_phantom(1, index), size).image for index in range(COUNT)]
        works = {
            PUBLISHED: lambda pictures=pictures: [_encode_plain(picture) for picture in pictures],
            ("ours", "uint8"): lambda pictures=pictures: [_encode_with_marks(picture) for picture in pictures],
        }
        yield from compare_ways(Subject(f"encode-{size}", 1, units=COUNT), works, plan, 3)


def _encode_with_marks(picture: Pixels) -> bytes:
    return encode(picture, Claim("synthetic", "0" * 64, {"kind": "unrelated", "seed": 1, "condition": "WS"}))


def _encode_plain(picture: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()
