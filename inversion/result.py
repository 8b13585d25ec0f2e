"""Inversion of faces, and its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from core import tensor_files
from core.atomic_files import write_file
from core.errors import CheckpointError, ConfigError
from core.precision import PRECISIONS, Precision
from gen.checkpoint import fingerprint
from gen.networks import Generator
from gen.torch_inference import synthesize_images
from inversion.quality import Quality
from inversion.similarity import mean_square

Offsets: TypeAlias = Mapping[str, Tensor]
"""Offsets (n, out, in, 3, 3) of kernels by their names in `Generator.kernel_shapes`."""

Storage: TypeAlias = Literal["float32", "bfloat16"]

_KIND: Final = "inversion"
_OFFSETS: Final = "offsets."


@dataclass(frozen=True)
class Inversion:
    """Latents and kernel offsets with which a generator reproduces n faces, and the reconstructions.

    Attributes:
        w: latents (n, num_ws, w_dim).
        offsets: of the generator's kernels; empty where latents alone reproduce the faces.
        reconstruction: (n, 3, h, h) float32, clipped to [-1, 1].
        quality: of each face; empty for generated ones.
        steps: passes of the hypernetwork, or steps of an optimisation, that made each face.
        method: "encoder", "hyperstyle", "w", "w+" or "pti"; "generated" for faces that were never photographs.
        precision: of the networks that made them; edits of them are rendered in it too, so that a face and its edit
            differ by nothing but the edit.
    """

    w: Tensor
    offsets: Offsets
    reconstruction: Tensor
    quality: tuple[Quality, ...]
    steps: tuple[int, ...]
    method: str
    precision: Precision = "float32"

    def __len__(self) -> int:
        return len(self.w)

    def __getitem__(self, at: int) -> Inversion:
        """Return the inversion of one of the faces."""
        one = slice(at, at + 1) if at != -1 else slice(-1, None)
        return Inversion(
            self.w[one],
            {name: value[one] for name, value in self.offsets.items()},
            self.reconstruction[one],
            self.quality[one],
            self.steps[one],
            self.method,
            self.precision,
        )


def render(generator: Generator, w: Tensor, offsets: Offsets, precision: Precision = "float32") -> Tensor:
    """Render the pictures (n, 3, h, h) of latents and offsets with the stored image noise, clipped to [-1, 1]."""
    return synthesize_images(generator, w, precision, offsets).clamp(-1, 1)


def wrap_generated(generator: Generator, w: Tensor, precision: Precision = "float32") -> Inversion:
    """Return the generator's own faces of latents (n, num_ws, w_dim) as an inversion without loss."""
    return Inversion(w, {}, render(generator, w, {}, precision), (), (0,) * len(w), "generated", precision)


def save(path: Path, inversion: Inversion, generator: Generator, storage: Storage = "bfloat16") -> float:
    """Write an inversion without its pixels: `load` makes them again. The file appears whole or not at all.

    Args, Raises: as `to_bytes`.

    Returns:
        What is lost: the PSNR in dB of what `load` will make against the reconstruction, over the range [-1, 1]; the
        file says it too.
    """
    data, psnr = to_bytes(inversion, generator, storage)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, data)
    return psnr


def to_bytes(inversion: Inversion, generator: Generator, storage: Storage = "bfloat16") -> tuple[bytes, float]:
    """Return the bytes that `save` writes, and the PSNR that it returns.

    Args:
        generator: with which the faces were inverted.
        storage: of the offsets: as they are, or in bfloat16, half as large. Latents are stored as they are.

    Raises:
        ConfigError: an unknown storage.
    """
    if storage not in get_args(Storage):
        raise ConfigError(f"storage is {storage!r}; expected one of {', '.join(get_args(Storage))}")
    dtype = torch.bfloat16 if storage == "bfloat16" else torch.float32
    tensors = {"w": inversion.w} | {f"{_OFFSETS}{name}": value.to(dtype) for name, value in inversion.offsets.items()}
    kept = render(generator, inversion.w, _unpack_offsets(tensors), inversion.precision)
    error = mean_square(kept, inversion.reconstruction).mean().item()
    psnr = 10 * math.log10(4 / error) if error else math.inf
    header = {
        "network": _KIND,
        "generator": fingerprint(generator),
        "method": inversion.method,
        "steps": list(inversion.steps),
        "quality": [asdict(quality) for quality in inversion.quality],
        "storage": storage,
        "precision": inversion.precision,
        "psnr_db": psnr if error else None,
    }
    return tensor_files.to_bytes(tensors, header), psnr


def load(source: Path | bytes, generator: Generator) -> Inversion:
    """Load an inversion, and render its reconstruction in the precision that it was made in.

    Args:
        source: its file, or the bytes of that.
        generator: the one that it was made with.

    Raises:
        CheckpointError: no such file, a damaged one, not an inversion, or another generator's.
    """
    path = "the stored inversion" if isinstance(source, bytes) else source
    tensors, header = tensor_files.read(source)
    if header.get("network") != _KIND:
        raise CheckpointError(f"{path} holds no inversion; `gestaltgen invert` makes one")
    if header["generator"] != (ours := fingerprint(generator)):
        raise CheckpointError(
            f"{path} was made with the generator {header['generator'][:12]}, this is {ours[:12]}; name that one"
        )
    w, offsets = tensors["w"], _unpack_offsets(tensors)
    quality = tuple(Quality(**entry | {"because": tuple(entry["because"])}) for entry in header["quality"])
    precision = header.get("precision", "float32")  # the only one, once
    if precision not in PRECISIONS:
        raise CheckpointError(
            f"{path} was made in {precision!r}; expected one of {', '.join(PRECISIONS)}: invert the photograph again"
        )
    picture = render(generator, w, offsets, precision)
    return Inversion(w, offsets, picture, quality, tuple(header["steps"]), header["method"], precision)


def _unpack_offsets(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: value for name, value in tensors.items() if name.startswith(_OFFSETS)}
    return {name.removeprefix(_OFFSETS): value.float() for name, value in found.items()}
