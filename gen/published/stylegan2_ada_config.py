"""Conversion of the constructor arguments of NVIDIA's StyleGAN2-ADA networks to our configurations.

Each argument is either taken over, or must have the value that our networks have built in, or is refused by name. None
is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.errors import CheckpointError, ConfigError
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.published.stylegan2_ada_pickle import SavedNetwork

_POSITIONAL: Final = {
    "Generator": ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"),
    "Discriminator": ("c_dim", "img_resolution", "img_channels"),
}
_LARGEST: Final = {"img_resolution": 2048, "num_layers": 64}
"""Largest values of whole numbers; for all others it is 65536. A file must not ask for a network too large to build."""

_TRAINING_ONLY: Final = ("w_avg_beta", "freeze_layers", "num_fp16_res", "use_fp16", "fp16_channels_last")
"""Arguments that change how a network is trained or computed, not what it is."""


class _Arguments:
    """Keyword arguments that are taken one by one; those left at the end are refused."""

    def __init__(self, where: str, given: Any) -> None:
        if not isinstance(given, Mapping):
            raise CheckpointError(f"{where} is a {type(given).__name__}; expected named arguments")
        self.where = where
        self.given = {str(key): value for key, value in given.items() if key not in _TRAINING_ONLY}

    def integer(self, name: str, default: int | None = None) -> int:
        value = self.given.pop(name, default)
        largest = _LARGEST.get(name, 65536)
        if type(value) is not int or not 0 <= value <= largest:
            raise CheckpointError(f"{self.where}.{name} is {_short(value)}; expected a whole number up to {largest}")
        return value

    def clamp(self) -> float | None:
        value = self.given.pop("conv_clamp", None)
        if value is not None and not isinstance(value, int | float):
            raise CheckpointError(f"{self.where}.conv_clamp is {_short(value)}; expected a number or none")
        return value

    def take_nested(self, name: str) -> _Arguments:
        return _Arguments(f"{self.where}.{name}", self.given.pop(name, {}))

    def must_be(self, name: str, *accepted: Any) -> None:
        """Take an argument, and refuse it if it is given with another value than those built into our networks."""
        value = self.given.pop(name, accepted[0])
        if not any(type(value) is type(one) and value == one for one in accepted):
            expected = " or ".join(_short(one) for one in accepted)
            raise CheckpointError(f"{self.where}.{name} is {_short(value)}; our networks have {expected} built in")

    def refuse_rest(self) -> None:
        if self.given:
            names = ", ".join(f"{self.where}.{name}"[:100] for name in sorted(self.given))
            raise CheckpointError(f"unknown arguments {names}: this is not a StyleGAN2-ADA network that we can read")


def convert_config(saved: SavedNetwork, vocabulary: Vocabulary | None) -> GeneratorConfig | DiscriminatorConfig:
    """Convert the arguments of a saved network to our configuration.

    Args:
        vocabulary: names for the columns of a conditional network's labels; None for an unconditional one.

    Raises:
        CheckpointError: not a StyleGAN2-ADA generator or discriminator, an argument that our networks do not have, or
            a vocabulary of another number of columns than the network's labels.
    """
    if saved.class_name not in _POSITIONAL:
        raise CheckpointError(f"a network of class {saved.class_name!r}; expected {' or '.join(_POSITIONAL)}")
    names = _POSITIONAL[saved.class_name]
    if len(saved.args) > len(names) or set(names[: len(saved.args)]) & saved.kwargs.keys():
        raise CheckpointError(
            f"{saved.class_name} has {len(saved.args)} positional arguments; some are too many or given twice"
        )
    given = _Arguments(saved.class_name, dict(zip(names, saved.args, strict=False)) | dict(saved.kwargs))
    _check_columns(given.integer("c_dim"), vocabulary)
    given.must_be("img_channels", 3)
    try:
        return (_generator if saved.class_name == "Generator" else _discriminator)(given, vocabulary)
    except ConfigError as error:
        raise CheckpointError(f"the network's configuration is not valid: {error}") from None


def _check_columns(c_dim: int, vocabulary: Vocabulary | None) -> None:
    columns = vocabulary.c_dim if vocabulary else 0
    if c_dim == columns:
        return
    if vocabulary is None:
        raise CheckpointError(
            f"the network's labels have {c_dim} columns, and the file does not say what they mean; "
            f"give a vocabulary whose conditions and ages are {c_dim} together"
        )
    labels = f"labels of {c_dim} columns" if c_dim else "no labels; read it without a vocabulary"
    raise CheckpointError(
        f"the vocabulary has {columns} columns ({len(vocabulary.conditions)} conditions and {len(vocabulary.ages)} "
        f"ages); the network has {labels}"
    )


def _generator(given: _Arguments, vocabulary: Vocabulary | None) -> GeneratorConfig:
    z_dim, w_dim = given.integer("z_dim"), given.integer("w_dim")
    resolution = given.integer("img_resolution")
    mapping, synthesis = given.take_nested("mapping_kwargs"), given.take_nested("synthesis_kwargs")
    mapping.must_be("embed_features", None, z_dim)
    mapping.must_be("layer_features", None, w_dim)
    mapping.must_be("activation", "lrelu")
    mapping.must_be("lr_multiplier", 0.01)
    synthesis.must_be("architecture", "skip")
    synthesis.must_be("activation", "lrelu")
    synthesis.must_be("resample_filter", [1, 3, 3, 1], (1, 3, 3, 1))
    synthesis.must_be("use_noise", True)
    config = GeneratorConfig(
        resolution,
        z_dim,
        w_dim,
        mapping.integer("num_layers", 8),
        channel_base=synthesis.integer("channel_base", 32768),
        channel_max=synthesis.integer("channel_max", 512),
        vocabulary=vocabulary,
        conv_clamp=synthesis.clamp(),
    )
    for arguments in (mapping, synthesis, given):
        arguments.refuse_rest()
    return config


def _discriminator(given: _Arguments, vocabulary: Vocabulary | None) -> DiscriminatorConfig:
    resolution = given.integer("img_resolution")
    block, mapping, epilogue = (given.take_nested(f"{name}_kwargs") for name in ("block", "mapping", "epilogue"))
    given.must_be("architecture", "resnet")
    block.must_be("activation", "lrelu")
    block.must_be("resample_filter", [1, 3, 3, 1], (1, 3, 3, 1))
    if vocabulary is None:  # without labels there is no label mapping, whatever its arguments say
        mapping = _Arguments(mapping.where, {})
    mapping.must_be("activation", "lrelu")
    mapping.must_be("lr_multiplier", 0.01)
    epilogue.must_be("mbstd_num_channels", 1)
    epilogue.must_be("activation", "lrelu")
    config = DiscriminatorConfig(
        resolution,
        channel_base=given.integer("channel_base", 32768),
        channel_max=given.integer("channel_max", 512),
        vocabulary=vocabulary,
        conv_clamp=given.clamp(),
        mapping_layers=mapping.integer("num_layers", 8),
        mbstd_group_size=epilogue.integer("mbstd_group_size", 4),
    )
    features = config.channels(4)
    given.must_be("cmap_dim", None, features, *([] if vocabulary else [0]))
    mapping.must_be("embed_features", None, features)
    mapping.must_be("layer_features", None, features)
    for arguments in (block, mapping, epilogue, given):
        arguments.refuse_rest()
    return config


def _short(value: Any) -> str:
    """Format a value of a file for a message: scalars and short lists in full, other values by their type."""
    plain = isinstance(value, str | int | float | type(None))
    if isinstance(value, list | tuple) and len(value) < 10 and all(isinstance(item, int | float) for item in value):
        plain = True
    return f"{value!r:.60}" if plain else f"a {type(value).__name__}"
