"""Adaptive discriminator augmentation: random transforms of images before the discriminator sees them.

Karras et al. 2020, "Training generative adversarial networks with limited data", appendix B; `gen/augmentation/ada.py`
adapts p.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn

from core.errors import ConfigError
from gen.augmentation.colour import colour_maps, recolour
from gen.augmentation.corruption import add_noise, cut_out
from gen.augmentation.draws import Draws
from gen.augmentation.filter import amplify, band_gains
from gen.augmentation.geometry import inverse_maps
from gen.augmentation.resampling import resample

_GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "geometry": ("xflip", "rotate90", "xint", "scale", "rotate", "aniso", "xfrac"),
        "colour": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
        "filter": ("imgfilter",),
        "noise": ("noise",),
        "cutout": ("cutout",),
    }
)

TRANSFORMS: Final = tuple(name for names in _GROUPS.values() for name in names)
"""Every transform, in the order in which they are applied."""


def _combine_groups(*groups: str) -> Mapping[str, float]:
    return MappingProxyType({name: 1.0 for group in groups for name in _GROUPS[group]})


PRESETS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "none": _combine_groups(),
        "blit": MappingProxyType({"xflip": 1.0, "rotate90": 1.0, "xint": 1.0}),
        "geom": MappingProxyType({"scale": 1.0, "rotate": 1.0, "aniso": 1.0, "xfrac": 1.0}),
        "color": _combine_groups("colour"),
        "bg": _combine_groups("geometry"),
        "bgc": _combine_groups("geometry", "colour"),
        "bgcf": _combine_groups("geometry", "colour", "filter"),
        "bgcfn": _combine_groups("geometry", "colour", "filter", "noise"),
        "bgcfnc": _combine_groups("geometry", "colour", "filter", "noise", "cutout"),
    }
)
"""Strengths by the names of the paper, for `AugmentPipe(**PRESETS[name])`; the paper recommends `bgc`."""


class AugmentPipe(nn.Module):
    """Random transforms of images, each of them with probability p times its strength.

    `p`, a scalar buffer in [0, 1] that starts at 1, is set by the trainer: `pipe.p.fill_(0.3)`, or `pipe.p = 0.3`.

    Args:
        strengths: name of a transform, one of TRANSFORMS -> factor on p, 0 or more; those not named are off.

    Raises ConfigError for an unknown transform, or a strength that is negative or not finite.
    """

    def __init__(self, **strengths: float) -> None:
        super().__init__()
        for name, strength in strengths.items():
            if name not in TRANSFORMS:
                raise ConfigError(f"no augmentation is called {name!r}; there are {', '.join(TRANSFORMS)}")
            if not 0 <= strength < math.inf:
                raise ConfigError(f"strength of {name} is {strength}; expected 0 (off) or more, usually 1")
        self.strengths: Mapping[str, float] = {name: float(strengths.get(name, 0)) for name in TRANSFORMS}
        self.register_buffer("p", torch.ones(()))
        self.p: Tensor

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. A number given as p is written into its tensor, which stays on its device."""
        if name == "p" and "p" in self._buffers:
            self.p.fill_(value)
        else:
            super().__setattr__(name, value)

    def forward(
        self,
        images: Tensor,
        percentile: float | None = None,
        generator: torch.Generator | None = None,
        draws: Draws | None = None,
    ) -> Tensor:
        """Augment images (n, 3, h, w) of a floating type in [-1, 1]; the result has the same shape and type and is not
        clipped.

        It is computed in float32 (float64 for such images) and differentiable twice in the images. If no image is
        changed, the same tensor may be returned.

        Args:
            percentile: replaces every random draw by this percentile, in (0, 1).
            generator: on the CPU. The changes of each image depend on it and on p alone, not on the device, type,
                values or number of the images. None takes torch's own.
            draws: random numbers of these images, instead of `generator`.

        Raises ConfigError for images of another shape or type, or a p outside [0, 1].
        """
        p = float(self.p)
        if not 0 <= p <= 1:
            raise ConfigError(f"augmentation probability p is {p}; expected 0 to 1")
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            got = f"{images.dtype} {tuple(images.shape)}"
            raise ConfigError(f"images to augment are {got}; expected a floating type, (n, 3, height, width)")
        if draws is None:
            count = len(images)
            draws = Draws.random(count, generator) if percentile is None else Draws.fix_percentile(count, percentile)
        if len(draws) != len(images):
            raise ConfigError(f"{len(draws)} rows of draws for {len(images)} images; expected one each")
        augmented = images if images.dtype == torch.float64 else images.float()
        return self._augment(augmented, draws, p).to(images.dtype)

    def _augment(self, images: Tensor, draws: Draws, p: float) -> Tensor:
        def chance(name: str) -> float:
            return min(p * self.strengths[name], 1.0)

        def is_used(group: str) -> bool:
            return any(chance(name) > 0 for name in _GROUPS[group])

        height, width = images.shape[2:]
        if is_used("geometry"):
            maps = inverse_maps(draws, chance, height, width)
            images = _transform_changed(images, maps, torch.eye(3), resample)
        if is_used("colour"):
            images = _transform_changed(images, colour_maps(draws, chance), torch.eye(4), recolour)
        if is_used("filter"):
            images = _transform_changed(images, band_gains(draws, chance("imgfilter")), torch.ones(4), amplify)
        if is_used("noise"):
            images = add_noise(images, draws, chance("noise"))
        if is_used("cutout"):
            images = cut_out(images, draws, chance("cutout"))
        return images


def _transform_changed(
    images: Tensor, parameters: Tensor, neutral: Tensor, transform: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Transform the images whose parameters (n, …), on the CPU, differ from the neutral ones (…); return the others
    unchanged."""
    changed = (parameters != neutral).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(changed) == 0:
        return images
    if len(changed) == len(images):
        return transform(images, parameters)
    rows = changed.to(images.device)
    return images.index_copy(0, rows, transform(images.index_select(0, rows), parameters[changed]))
