"""Conversion of pictures: from files to uint8 RGB, between uint8 and the tensors of networks, and to PNG."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from core.errors import ImageError, UnreadableImageError

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.uint8]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
"""Formats that are decoded. Some of Pillow's other decoders start other programs, so this list is our own."""

MAX_PIXELS: Final = 89_000_000
"""Largest number of pixels. Larger pictures are refused before decoding; Pillow warns just above this limit."""

_REMEDY = f"expected one of {', '.join(FORMATS)}; export the picture again, for example as PNG"


def read_image(source: Path | str | bytes) -> Pixels:
    """Read the picture in a file (a path) or in its bytes, turned as a viewer would show it.

    EXIF orientation is applied, grey becomes RGB, palettes and CMYK are resolved, 16 bits are scaled to 8,
    transparency is put on white, and the first frame of an animation is used.

    Returns:
        uint8 (h, w, 3) RGB, a fresh array.

    Raises:
        UnreadableImageError: missing, empty, truncated, broken, not a picture, or above MAX_PIXELS.
    """
    name = "the uploaded picture" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{name}: {error.strerror}; expected a readable picture file") from error
    if not data:
        raise UnreadableImageError(f"{name} is empty (0 bytes); {_REMEDY}")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture, name)
            return _rgb(ImageOps.exif_transpose(picture))
    except UnreadableImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"{name}: {error}; reduce it below {MAX_PIXELS} pixels") from error
    except Exception as error:  # decoders may raise nearly any exception on hostile bytes
        raise UnreadableImageError(f"{name} cannot be decoded ({_reason(error)}); {_REMEDY}") from error


def _check_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(
            f"{name} has {width} x {height} pixels; expected at most {MAX_PIXELS}: reduce it first"
        )


def _reason(error: Exception) -> str:
    return "not a picture" if isinstance(error, UnidentifiedImageError) else str(error) or "broken"


def _rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion to L would clip it at 255
        grey = np.clip(np.round(np.asarray(picture, dtype=np.float64) / 257), 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def to_tensor(images: npt.NDArray[Any]) -> torch.Tensor:
    """Convert uint8 (n, h, w, 3) or (h, w, 3) to float32 (n, 3, h, w) in [-1, 1].

    Raises:
        ImageError: another dtype or shape.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != 3:
        raise ImageError(f"images are {images.dtype} {images.shape}; expected uint8 (n, h, w, 3) or (h, w, 3)")
    import torch

    batch = torch.from_numpy(np.ascontiguousarray(images if images.ndim == 4 else images[None]))
    return (batch.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1).contiguous()


def to_uint8(tensor: torch.Tensor) -> Pixels:
    """Convert float (n, 3, h, w) in [-1, 1] to uint8 (n, h, w, 3), rounded and clipped."""
    import torch

    scaled = (tensor.detach().to(torch.float32) + 1) * 127.5
    pixels: Pixels = scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(pixels)


def encode_png(image: Pixels, text: Mapping[str, str] | None = None) -> bytes:
    """Encode a uint8 (h, w, 3) image as PNG; the same input gives the same bytes.

    `text` is provenance, stored as uncompressed iTXt entries in the order given.
    """
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def pixels_key(image: Pixels) -> str:
    """Return the key of an image, which does not depend on its file: the SHA-256 of its size and pixels in hex.

    Args:
        image: uint8 (h, w, 3) RGB as it is stored; the same picture at another size has another key.

    Raises:
        ImageError: another dtype or shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"image is {image.dtype} {image.shape}; expected uint8 (h, w, 3)")
    return _hash_pixels(f"{image.shape[0]}x{image.shape[1]}x3 uint8\n", image)


def pixels_digest(image: Pixels) -> str:
    """Return the digest of a uint8 (h, w, 3) image that is used in marks and in the registry.

    It differs from `pixels_key` in the text before the pixels, "{width}x{height}:". Delivered pictures
    and registries contain digests, and checkpoints and data sets contain keys, so neither formula can change.
    """
    return _hash_pixels(f"{image.shape[1]}x{image.shape[0]}:", image)


def _hash_pixels(header: str, image: Pixels) -> str:
    """Return the SHA-256 in hex of a text and the pixels of an image, row by row."""
    digest = hashlib.sha256(header.encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
