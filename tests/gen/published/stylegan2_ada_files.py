"""Pickles of the same structure as NVIDIA's, made of any tensors, and of the constructor arguments of our networks."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.config import DiscriminatorConfig, GeneratorConfig

SOURCE = "import pathlib\npathlib.Path({sentinel!r}).write_text('module_src was run')\n"


class EasyDict(dict[str, Any]):
    """Pickled under its official name."""


def _reconstruct_persistent_obj(meta: Any) -> Any:
    raise AssertionError("reading must not call this")


EasyDict.__module__ = "dnnlib.util"
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


@contextmanager
def pickled_modules() -> Iterator[None]:
    """The two modules whose names an official pickle mentions, while one is written."""
    made = {name: ModuleType(name) for name in ("dnnlib", "dnnlib.util", "torch_utils", "torch_utils.persistence")}
    made["dnnlib.util"].EasyDict = EasyDict  # type: ignore[attr-defined]
    made["torch_utils.persistence"]._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


class Module:
    """A module of the official kind: pickled as source code, class name and `__dict__`."""

    def __init__(self, class_name: str, kwargs: Mapping[str, Any], source: str = "import torch\n") -> None:
        self.class_name, self.source = class_name, source
        self.state: dict[str, Any] = {
            "training": False,
            "_parameters": OrderedDict(),
            "_buffers": OrderedDict(),
            "_modules": OrderedDict(),
            "_non_persistent_buffers_set": set(),
            "_backward_hooks": OrderedDict(),
            "_init_args": (),
            "_init_kwargs": EasyDict(kwargs),
            "act_gain": np.sqrt(2),  # numpy scalars abound in the official ones
        }

    def __reduce__(self) -> Any:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": self.source,
            "class_name": self.class_name,
            "state": self.state,
        }
        return _reconstruct_persistent_obj, (meta,)


def module(class_name: str, kwargs: Mapping[str, Any], tensors: Mapping[str, Tensor], source: str = "") -> Module:
    """A tree of modules with these tensors; those that are buffers in the official networks are buffers here."""
    root = Module(class_name, kwargs, source)
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        at = root
        for step in path:
            at = at.state["_modules"].setdefault(step, Module("Layer", {}, source))
        if last in ("noise_const", "w_avg", "resample_filter"):
            at.state["_buffers"][last] = tensor
        else:
            at.state["_parameters"][last] = torch.nn.Parameter(tensor)
    root.state["_parameters"]["unset"] = None
    return root


def generator_kwargs(config: GeneratorConfig) -> dict[str, Any]:
    return {
        "z_dim": config.z_dim,
        "c_dim": config.c_dim,
        "w_dim": config.w_dim,
        "img_resolution": config.resolution,
        "img_channels": 3,
        "mapping_kwargs": EasyDict(num_layers=config.mapping_layers),
        "synthesis_kwargs": EasyDict(
            channel_base=config.channel_base,
            channel_max=config.channel_max,
            num_fp16_res=4,
            conv_clamp=config.conv_clamp,
        ),
    }


def discriminator_kwargs(config: DiscriminatorConfig) -> dict[str, Any]:
    return {
        "c_dim": config.c_dim,
        "img_resolution": config.resolution,
        "img_channels": 3,
        "channel_base": config.channel_base,
        "channel_max": config.channel_max,
        "num_fp16_res": 4,
        "conv_clamp": config.conv_clamp,
        "block_kwargs": EasyDict(),
        "mapping_kwargs": EasyDict(num_layers=config.mapping_layers),
        "epilogue_kwargs": EasyDict(mbstd_group_size=config.mbstd_group_size),
    }


def write_pickle(path: Path, content: Any, protocol: int = 4) -> Path:
    with pickled_modules():
        path.write_bytes(pickle.dumps(content, protocol))
    return path


def write_stylegan2_ada_pickle(path: Path, networks: Mapping[str, Module], protocol: int = 4) -> Path:
    """A whole checkpoint: networks by key, and what else official ones hold."""
    others = {
        "training_set_kwargs": EasyDict(class_name="training.dataset.ImageFolderDataset", path="/data/ffhq.zip"),
        "augment_pipe": None,
    }
    return write_pickle(path, {**others, **networks}, protocol)
