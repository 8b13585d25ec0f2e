"""Import of published inverters: HyperStyle with its W encoder, and the encoders of pSp, e4e and ReStyle.

Each file holds its generator too (`decoder.*`), to which the inverter belongs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.published.importing import TorchFile, read_torch_file
from gen.published.rosinality import LATENT_AVG
from inversion.inverter import Inverter
from inversion.official import load_decoder, load_hyperstyle
from inversion.published.encoders import KINDS, check_kind, load_encoder

HYPERSTYLE: Final = "HyperStyle"

_HYPERNET, _ENCODER, _DECODER, _W_ENCODER = "hypernet.", "encoder.", "decoder.", "w_encoder."


@dataclass(frozen=True)
class ImportedInverter:
    """Inverter read from published files, with its generator.

    Args:
        inverter: in evaluation mode, on the CPU; its generator is `inverter.generator`.
        kind: "HyperStyle", or the class of the encoder.
        notes: what the files do not tell, and what was taken for it.
    """

    inverter: Inverter
    kind: str
    notes: tuple[str, ...] = ()


def describe_inverter(path: Path) -> str | None:
    """Return what inverter a PyTorch file holds, in words; None if it holds none.

    Raises:
        CheckpointError: no such file, a damaged one, or one that asks for code.
    """
    file = read_torch_file(path)
    if _select(file.tensors, _HYPERNET):
        return f"{HYPERSTYLE}, without its W encoder, which is a file of its own"
    if _select(file.tensors, _ENCODER):
        kind = file.options.get("encoder_type")
        return f"encoder {kind}" + ("" if kind in KINDS else ", which is not read")
    return None


def read_inverter(path: Path, w_encoder: Path | None = None, conv_clamp: float | None = None) -> ImportedInverter:
    """Read an inverter and its generator.

    Args:
        path: checkpoint of HyperStyle, pSp, e4e or ReStyle.
        w_encoder: with HyperStyle the file of its W encoder.
        conv_clamp: limit of each layer's output of the generator, which the files do not tell.

    Raises:
        CheckpointError: a missing, damaged or incomplete file, one of another kind, files that do not belong together,
            or values that are not finite.
    """
    file = read_torch_file(path)
    try:
        imported = _read(file, path, w_encoder, conv_clamp)
    except CheckpointError as error:
        said = str(error)
        raise CheckpointError(said if said.startswith((str(path), str(w_encoder))) else f"{path}: {said}") from None
    resolution = imported.inverter.generator.config.resolution
    for name in ("output_size", "stylegan_size"):
        if (size := file.options.get(name, resolution)) not in (resolution, None):
            raise CheckpointError(
                f"{path}: its opts say {name} {size}, its decoder makes {resolution} px; the file was put together "
                "from two: take the one that its project published"
            )
    notes = (
        ()
        if conv_clamp is not None
        else ("the file does not tell the limit of the layers' output (conv_clamp): none is set",)
    )
    return ImportedInverter(imported.inverter, imported.kind, (*imported.notes, *notes))


def _read(file: TorchFile, path: Path, w_encoder: Path | None, conv_clamp: float | None) -> ImportedInverter:
    hypernet, encoder = _select(file.tensors, _HYPERNET), _select(file.tensors, _ENCODER)
    if not hypernet and not encoder:
        raise CheckpointError(
            f"{path} holds no hypernetwork (hypernet.*) and no encoder (encoder.*); expected a checkpoint of "
            "HyperStyle, pSp, e4e or ReStyle. A generator alone is imported without `--part inverter`"
        )
    decoder = _select(file.tensors, _DECODER)
    if not decoder:
        raise CheckpointError(f"{path} holds no generator (decoder.*): download it again from its project")
    _check_finite(file.tensors)
    if not hypernet:
        if w_encoder is not None:
            raise CheckpointError(
                f"{path} holds an encoder and no hypernetwork; a W encoder belongs to a checkpoint of HyperStyle: "
                "leave `--w-encoder` out"
            )
        kind = check_kind(file.options, str(path))
        average = _require_average(file.tensors, path)
        return ImportedInverter(
            load_encoder(encoder, file.options, load_decoder(decoder, average, conv_clamp), average), kind
        )
    if w_encoder is None:
        raise CheckpointError(
            f"{path} holds HyperStyle's hypernetwork without its W encoder, which is a file of its own "
            "(faces_w_encoder.pt of the same project): name it by `--w-encoder`"
        )
    return _read_hyperstyle(file, path, w_encoder, conv_clamp)


def _read_hyperstyle(file: TorchFile, path: Path, w_encoder: Path, conv_clamp: float | None) -> ImportedInverter:
    other = read_torch_file(w_encoder)
    encoder = _select(other.tensors, _ENCODER)
    if not encoder:
        raise CheckpointError(f"{w_encoder} holds no encoder (encoder.*); expected HyperStyle's W encoder")
    kind = other.options.get("encoder_type")
    if "linear.weight" not in encoder or (kind is not None and kind in KINDS and KINDS[str(kind)].rows):
        raise CheckpointError(
            f"{w_encoder} holds the encoder {kind or 'of another program'}; expected HyperStyle's W encoder (WEncoder, "
            "faces_w_encoder.pt)"
        )
    _check_finite(other.tensors)
    decoder, theirs = _select(file.tensors, _DECODER), _select(other.tensors, _DECODER)
    for name in sorted(decoder.keys() & theirs.keys()):
        if not name.startswith("noises.") and not (
            decoder[name].shape == theirs[name].shape and torch.allclose(decoder[name], theirs[name], atol=1e-4)
        ):
            raise CheckpointError(
                f"{w_encoder} belongs to another generator than {path}: decoder.{name} differs; take the W encoder "
                "that was published with this checkpoint"
            )
    notes, average = [], file.tensors.get(LATENT_AVG)
    if average is None:
        average = _require_average(other.tensors, w_encoder)
        notes.append(f"{path.name} holds no average latent: that of {w_encoder.name} is used")
    tensors = {name: value for name, value in file.tensors.items() if name.startswith((_DECODER, _HYPERNET))}
    tensors |= {f"{_W_ENCODER}{name}": value for name, value in encoder.items()} | {LATENT_AVG: average}
    return ImportedInverter(load_hyperstyle(tensors, conv_clamp), HYPERSTYLE, tuple(notes))


def _select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _require_average(tensors: Mapping[str, Tensor], path: Path) -> Tensor:
    if LATENT_AVG not in tensors:
        raise CheckpointError(
            f"{path} holds no {LATENT_AVG}, to which the encoder's answers are relative; download it again from its "
            "project"
        )
    return tensors[LATENT_AVG]


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    for name, value in tensors.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise CheckpointError(f"{name} has values that are not finite: the file is damaged; download it again")
