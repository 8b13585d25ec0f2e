from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import faces.images
from core.atomic_files import write_file
from core.errors import ImageError, UnreadableImageError
from faces.images import encode_png, pixels_key, read_image, to_tensor, to_uint8

WHITE, RED = (255, 255, 255), (200, 30, 40)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def flat(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (6, 4), colour)


@pytest.mark.parametrize(
    ("data", "pixel"),
    [
        pytest.param(saved(flat("L", 90)), (90, 90, 90), id="grey"),
        pytest.param(saved(flat("1", 1)), WHITE, id="bilevel"),
        pytest.param(saved(flat("LA", (0, 0))), WHITE, id="transparent grey"),
        pytest.param(saved(flat("RGBA", (*RED, 255))), RED, id="opaque"),
        pytest.param(saved(flat("RGBA", (0, 0, 0, 0))), WHITE, id="transparent"),
        pytest.param(saved(flat("RGBA", (0, 0, 0, 51))), (204, 204, 204), id="a fifth opaque"),
        pytest.param(saved(flat("RGB", RED).quantize(8)), RED, id="palette"),
        pytest.param(saved(flat("L", 7).convert("P"), transparency=7), WHITE, id="transparent palette"),
        pytest.param(saved(flat("RGB", RED), transparency=RED), WHITE, id="transparent colour"),
        pytest.param(saved(flat("CMYK", (0, 255, 255, 0)), "TIFF"), (255, 0, 0), id="CMYK"),
        pytest.param(saved(Image.fromarray(np.full((4, 6), 0x8080, np.uint16))), (128,) * 3, id="16 bits"),
        pytest.param(saved(flat("RGB", RED), "WEBP", lossless=True), RED, id="WebP"),
        pytest.param(saved(flat("RGB", RED), "BMP"), RED, id="BMP"),
    ],
)
def test_every_kind_of_picture_becomes_rgb(data: bytes, pixel: tuple[int, int, int]) -> None:
    image = read_image(data)
    assert image.dtype == np.uint8
    assert image.shape == (4, 6, 3)
    np.testing.assert_array_equal(image, np.broadcast_to(np.array(pixel, np.uint8), image.shape))


def test_cmyk_jpeg_keeps_its_colour() -> None:
    image = read_image(saved(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(image.astype(int) - (255, 0, 0)).max() < 8


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)
    image = read_image(saved(Image.fromarray(ramp)))
    np.testing.assert_allclose(image[..., 0], ramp / 257, atol=0.5)


@pytest.mark.parametrize(("orientation", "turned"), [(1, 0), (6, 3), (3, 2), (8, 1)])
def test_exif_orientation_is_applied(orientation: int, turned: int, astronaut: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_image(saved(Image.fromarray(astronaut[:40, :60]), exif=exif))
    np.testing.assert_array_equal(image, np.rot90(astronaut[:40, :60], turned))


def test_first_frame_of_an_animation_counts() -> None:
    frames = [flat("RGB", colour) for colour in (RED, WHITE)]
    image = read_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(image[0, 0], RED)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"no picture at all", "not a picture"),
        (saved(flat("RGB", RED))[:-30], "cannot be decoded"),
        (saved(Image.effect_noise((64, 64), 9), "JPEG")[:900], "truncated"),
        (saved(flat("RGB", RED))[:8] + b"\0" * 60, "cannot be decoded"),
        (saved(Image.new("F", (8, 8), 0.5), "TIFF"), "floating-point numbers of unknown range"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
    ],
)
def test_broken_pictures_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(data)


def test_missing_file_and_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"nothing\.png.*No such file"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(UnreadableImageError, match="directory"):
        read_image(tmp_path)


def test_huge_pictures_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces.images, "MAX_PIXELS", 23)
    with pytest.raises(UnreadableImageError, match="6 x 4 pixels; expected at most 23"):
        read_image(saved(flat("RGB", RED)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableImageError, match="24 pixels"):
        read_image(saved(flat("RGB", RED)))


def test_tensor_and_back_is_the_identity() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8)
    tensor = to_tensor(images)
    assert tensor.shape == (3, 3, 5, 7)
    assert tensor.dtype == torch.float32
    assert tensor[1, 2, 3, 4] == pytest.approx(images[1, 3, 4, 2] / 127.5 - 1)
    np.testing.assert_array_equal(to_uint8(tensor), images)
    np.testing.assert_array_equal(to_uint8(to_tensor(images[0])), images[:1])


def test_tensor_values_are_rounded_and_clipped() -> None:
    values = torch.tensor([-9.0, -1.0, 0.99999, 1.0, 7.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(values)[0, 0, :, 0].tolist() == [0, 0, 255, 255, 255]


@pytest.mark.parametrize("images", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_other_arrays_are_no_images(images: np.ndarray) -> None:
    with pytest.raises(ImageError, match="expected uint8"):
        to_tensor(images)


def test_png_is_deterministic_and_carries_provenance(astronaut: np.ndarray) -> None:
    png = encode_png(astronaut[:9, :8], {"Software": "gestaltgen", "Note": "gefälscht"})
    assert png == encode_png(astronaut[:9, :8], {"Software": "gestaltgen", "Note": "gefälscht"})
    np.testing.assert_array_equal(read_image(png), astronaut[:9, :8])
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.info == {"Software": "gestaltgen", "Note": "gefälscht"}


def test_files_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "a.bin"
    write_file(target, b"old")
    write_file(target, b"new")
    assert target.read_bytes() == b"new"

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("core.atomic_files.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(target, b"newer")
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_an_image_is_known_by_its_size_and_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    key = pixels_key(image)
    assert key == hashlib.sha256(b"4x6x3 uint8\n" + image.tobytes()).hexdigest()
    assert key == pixels_key(read_image(encode_png(image, {"Title": "another file"})))
    assert key == pixels_key(image[:, ::-1][:, ::-1])  # another layout in memory
    other = image.copy()
    other[3, 5, 2] ^= 1
    assert len({key, pixels_key(other), pixels_key(image.reshape(6, 4, 3)), pixels_key(image[:, ::-1])}) == 4


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)])
def test_what_is_no_image_has_no_key(image: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"expected uint8 \(h, w, 3\)"):
        pixels_key(image)
