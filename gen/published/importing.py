"""Import of published checkpoints into our networks, with a list of what became of every tensor.

    .pkl          NVIDIA's StyleGAN2-ADA for PyTorch: networks G, D, G_ema
    .pt           rosinality's stylegan2-pytorch (g, d, g_ema), or the decoder of a HyperStyle, e4e or pSp file
    .safetensors  ours, or tensors named in either way

The first bytes of a file tell its kind. No code in a file is run: `gen/published/stylegan2_ada_pickle.py` interprets
pickles, and `torch.load` with `weights_only` reads `.pt` files. It knows tensors and plain data; we add a class for the
options that rosinality's training stores.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError
from gen import checkpoint
from gen.checkpoint import CheckpointInfo
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.published import rosinality, stylegan2_ada
from gen.published.shapes import config_from_shapes
from gen.published.stylegan2_ada_config import convert_config
from gen.published.stylegan2_ada_pickle import read_stylegan2_ada_pickle
from gen.strict_loading import Placement, Translation, check_fits, load_strict

PARTS: Final = ("G_ema", "G", "D")
"""Names of the running average of the generator, the generator and the discriminator. Files of other programs may use
other names."""

STYLEGAN2_ADA_PICKLE: Final = "NVIDIA's StyleGAN2-ADA pickle"
PYTORCH_FILE: Final = "PyTorch file"

_LEGACY_TORCH: Final = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_OURS: Final = {"generator": "G_ema", "discriminator": "D"}


@dataclass(frozen=True)
class Contents:
    """Contents of a file.

    Args:
        kind: kind of the file, in words.
        parts: description of each network, by our name of the part.
        left_out: other contents of the file, one line each.
        info: metadata of the file, if it is a checkpoint of ours.
    """

    kind: str
    parts: Mapping[str, str]
    left_out: tuple[str, ...]
    info: CheckpointInfo | None


@dataclass(frozen=True)
class Imported:
    """A network read from a file.

    Args:
        net: network with its weights, in evaluation mode, on the CPU.
        kind: kind of the file, in words.
        placements: destination of each of its tensors.
        left_out: other contents of the file, one line each.
        notes: settings that the file does not tell, and the values that were used for them.
        info: metadata of the file, if it is a checkpoint of ours.
    """

    net: Generator | Discriminator
    kind: str
    placements: tuple[Placement, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()
    info: CheckpointInfo | None = None


def contents(path: Path) -> Contents:
    """Read the contents of a file without making a network.

    Raises:
        CheckpointError: no such file, an unknown or damaged one, or one that asks for code.
    """
    opened = _open(path)
    infos = [source.info for source in opened.parts.values()]
    parts = {part: source.about for part, source in opened.parts.items()}
    return Contents(opened.kind, parts, opened.left_out, infos[0])


def read_weights(
    path: Path,
    part: str = "G_ema",
    *,
    vocabulary: Vocabulary | None = None,
    conv_clamp: float | None = None,
) -> Imported:
    """Read one network of a file.

    Args:
        part: one of PARTS.
        vocabulary: names for the columns of the labels of a conditional StyleGAN2-ADA network.
        conv_clamp: for files that do not tell it: .pt, and .safetensors that are not ours.

    Raises:
        CheckpointError: no such file, an unknown or damaged one, one that asks for code, a part that it does not have,
            tensors that do not fit or are not finite, an argument that contradicts what the file says.
    """
    opened = _open(path)
    if part not in opened.parts:
        raise CheckpointError(f"{path} has no part {part!r}; expected one of {', '.join(opened.parts)}")
    source = opened.parts[part]
    others = tuple(f"{name}: {other.about}" for name, other in opened.parts.items() if name != part)
    info = source.info
    if info is not None:
        _check_unneeded(path, vocabulary=vocabulary, conv_clamp=conv_clamp)
        net = checkpoint.load(path)
        placed = tuple(Placement(name, tuple(value.shape), name) for name, value in net.state_dict().items())
        return Imported(net, opened.kind, placed, (), info=info)
    try:
        plan = _plan(source, vocabulary, conv_clamp)
        net = _make_network(plan.config, plan.translation.state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if plan.measure_w_avg and isinstance(net, Generator):
        rosinality.measure_w_avg(net)
    placements = tuple(plan.translation.placements)
    return Imported(net, opened.kind, placements, (*others, *opened.left_out), plan.notes)


@dataclass(frozen=True)
class _Source:
    """Network in a file: its tensors, and its description."""

    tensors: Mapping[str, Tensor]
    about: str
    saved: Any = None
    info: CheckpointInfo | None = None


@dataclass(frozen=True)
class _Opened:
    kind: str
    parts: Mapping[str, _Source]
    left_out: tuple[str, ...]


def _open(path: Path) -> _Opened:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; check the path") from None
    if head[8:9] == b"{":
        return _open_safetensors(path)
    if head.startswith((b"PK\x03\x04", _LEGACY_TORCH)):
        return _open_torch(path)
    if not head:
        raise CheckpointError(f"{path} is empty; copy it again from its source")
    try:
        pickled = read_stylegan2_ada_pickle(path)
    except CheckpointError as error:
        kinds = "" if head.startswith(b"\x80") else "expected a .pkl, .pt or .safetensors file; "
        raise CheckpointError(f"{kinds}{error}") from None
    parts = {
        key: _Source(saved.tensors, f"{saved.class_name} of {len(saved.tensors)} tensors", saved)
        for key, saved in pickled.networks.items()
    }
    return _Opened(STYLEGAN2_ADA_PICKLE, parts, tuple(f"{key}: no network" for key in pickled.others))


def _open_safetensors(path: Path) -> _Opened:
    tensors, metadata = tensor_files.read_any(path)
    if tensor_files.KEY in metadata:
        info = checkpoint.read_info(path)
        about = f"{info.network} of {len(tensors)} tensors"
        return _Opened("our checkpoint", {_OURS[info.network]: _Source(tensors, about, info=info)}, ())
    part = _OURS["discriminator" if "b4.fc.weight" in tensors or "final_conv.0.weight" in tensors else "generator"]
    return _Opened("safetensors", {part: _Source(tensors, f"{len(tensors)} tensors")}, ())


def _open_torch(path: Path) -> _Opened:
    content = _load_torch(path)
    average = content.get(rosinality.LATENT_AVG)
    groups: dict[str, dict[str, Tensor]] = {}
    left_out = []
    for name, part in (("g_ema", "G_ema"), ("g", "G"), ("d", "D")):
        if isinstance(content.get(name), Mapping):
            groups[part] = _require_tensors(content.pop(name), name)
    flat = content.pop("state_dict", None) if isinstance(content.get("state_dict"), Mapping) else None
    if flat is None and not groups:
        flat, content = (
            {k: v for k, v in content.items() if isinstance(v, Tensor)},
            {k: v for k, v in content.items() if not isinstance(v, Tensor)},
        )
    if flat is not None:
        decoder = {key.removeprefix("decoder."): v for key, v in flat.items() if str(key).startswith("decoder.")}
        rest = [str(key).split(".")[0] for key in flat if not str(key).startswith("decoder.")] if decoder else []
        groups["G_ema"] = _require_tensors(decoder or dict(flat), "the decoder")
        left_out += [f"{name}: {rest.count(name)} tensors of another network" for name in dict.fromkeys(rest)]
    if isinstance(average, Tensor):
        for part in groups.keys() - {"D"}:
            groups[part][rosinality.LATENT_AVG] = average
    left_out += [f"{key}: no network" for key in content if key != rosinality.LATENT_AVG]
    parts = {part: _Source(tensors, f"{len(tensors)} tensors") for part, tensors in groups.items() if tensors}
    if not parts:
        raise CheckpointError(f"{path} holds no network; expected g_ema, g, d, or decoder.* tensors")
    return _Opened(PYTORCH_FILE, parts, tuple(left_out))


@dataclass(frozen=True)
class TorchFile:
    """Content of a PyTorch file.

    Args:
        tensors: those of `state_dict` if there is one, and those beside it, under their own names.
        options: plain values of `opts`, the options that the other program stores of its training.
    """

    tensors: Mapping[str, Tensor]
    options: Mapping[str, str | int | float | bool | None]


def read_torch_file(path: Path) -> TorchFile:
    """Read the tensors and the options of a PyTorch file. Errors as of `read_tensors`."""
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; check the path")
    content = _load_torch(path)
    options = content.get("opts", {})
    values = vars(options) if isinstance(options, _Options) else options if isinstance(options, dict) else {}
    plain = {str(name): value for name, value in values.items() if isinstance(value, str | int | float | type(None))}
    return TorchFile(_flatten(content), plain)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch or safetensors file under their own names; those of `state_dict` if there is one.

    Raises:
        CheckpointError: no such file, a damaged one, or one that asks for more than tensors and plain data.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; check the path")
    if path.suffix == ".safetensors":
        return tensor_files.read_any(path)[0]
    return _flatten(_load_torch(path))


def _flatten(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    inner = content.get("state_dict", content)
    inner = inner if isinstance(inner, Mapping) else {}
    tensors = {**inner, **{key: value for key, value in content.items() if key != "state_dict"}}
    return {str(key): value for key, value in tensors.items() if isinstance(value, Tensor)}


def _require_tensors(group: Mapping[Any, Any], name: str) -> dict[str, Tensor]:
    for key, value in group.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{key!r:.100} of {name} is a {type(value).__name__}; expected tensors")
    return {str(key): value for key, value in group.items()}


class _Options:
    """Replacement for argparse.Namespace, of which only plain values are read."""


def _load_torch(path: Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals([(_Options, "argparse.Namespace")]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch's parser may raise anything on unknown bytes
        asked = re.search(r"GLOBAL (\S+)", str(error))
        reason = (
            f"asks for {asked[1]!r:.200}: refused, since only tensors and plain data are read from a PyTorch file"
            if asked
            else "is not a PyTorch file, or is damaged; download it again"
        )
        raise CheckpointError(f"{path} {reason}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; expected a dict of networks or of tensors")
    return content


@dataclass(frozen=True)
class _Plan:
    """Tensors under our names, the configuration of their network, and notes on what the file does not tell."""

    translation: Translation
    config: GeneratorConfig | DiscriminatorConfig
    notes: tuple[str, ...] = ()
    measure_w_avg: bool = False


def _plan(source: _Source, vocabulary: Vocabulary | None, conv_clamp: float | None) -> _Plan:
    if source.saved is not None:
        if conv_clamp is not None:
            raise CheckpointError("the file has its own conv_clamp; leave the option out")
        config = convert_config(source.saved, vocabulary)
        return _Plan(stylegan2_ada.translate(source.tensors, vocabulary), config)
    measure = False
    if "input.input" in source.tensors:
        translation = rosinality.translate_generator(source.tensors)
        measure = rosinality.LATENT_AVG not in source.tensors
    elif "final_conv.0.weight" in source.tensors:
        translation = rosinality.translate_discriminator(source.tensors)
    else:
        translation = stylegan2_ada.translate(source.tensors, vocabulary)
    config = config_from_shapes(translation.state, vocabulary, conv_clamp)
    notes = (
        []
        if conv_clamp is not None
        else ["the file does not tell the limit of the layers' output (conv_clamp): none is set"]
    )
    if isinstance(config, DiscriminatorConfig):
        size = config.mbstd_group_size
        notes.append(f"the file does not tell the group size of the minibatch standard deviation: {size} is used")
    elif measure:
        translation.state["mapping.w_avg"] = torch.zeros(config.w_dim)
        notes.append("the file does not hold the average latent: it is measured over 10,000 random vectors")
    return _Plan(translation, config, tuple(notes), measure)


def _make_network(
    config: GeneratorConfig | DiscriminatorConfig, state: Mapping[str, Tensor]
) -> Generator | Discriminator:
    """Make the network of this configuration with these tensors. Nothing large is made before they are known to fit."""
    for name, value in state.items():
        if not value.isfinite().all():
            raise CheckpointError(f"{name} has values that are not finite: the file is damaged, or its training failed")
    kind: type[Generator] | type[Discriminator] = Generator if isinstance(config, GeneratorConfig) else Discriminator
    with torch.device("meta"):
        check_fits(kind(config), state)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten below
        net = kind(config)  # type: ignore[arg-type]
    load_strict(net, state)
    return net.eval().requires_grad_(False)


def _check_unneeded(path: Path, **given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise CheckpointError(f"{path} is a checkpoint of ours with its own {name}; leave the option out")
