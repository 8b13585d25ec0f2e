"""The controller of adaptive augmentation: more of it when the discriminator overfits (Karras et al. 2020, section 3).

Its whole state is the current probability p and, between two decisions, the running mean of the signs of D(real),
r_t; both are the trainer's to keep and save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import ConfigError


@dataclass(frozen=True)
class AdaConfig:
    """How p follows r_t.

    Args:
        target: the r_t to hold, in (-1, 1).
        interval: minibatches between two decisions.
        speed_kimg: thousands of images in which p can move by 1; 500, or 100 when fine-tuning.
        p_max: p never exceeds it, in (0, 1]. The paper sets no maximum, but a probability above 1 would only delay
            its own way down.

    Raises ConfigError outside these ranges.
    """

    target: float = 0.6
    interval: int = 4
    speed_kimg: float = 500
    p_max: float = 1.0

    def __post_init__(self) -> None:
        if not -1 < self.target < 1:
            raise ConfigError(f"ADA target is {self.target}; a mean of signs to hold lies in (-1, 1), usually 0.6")
        if self.interval < 1:
            raise ConfigError(f"ADA interval is {self.interval}; count whole minibatches, at least 1")
        if not 0 < self.speed_kimg < math.inf:
            raise ConfigError(f"ADA speed_kimg is {self.speed_kimg}; it must be positive, usually 500")
        if not 0 < self.p_max <= 1:
            raise ConfigError(f"ADA p_max is {self.p_max}; a probability in (0, 1] is expected")


def next_p(p: float, real_sign: float, batch: int, config: AdaConfig) -> float:
    """The probability of the next `config.interval` minibatches.

    Args:
        p: that of the last ones, in [0, 1].
        real_sign: r_t, the mean of sign(D(real)) over the last `config.interval` minibatches, all processes together.
            A value equal to the target, or NaN, leaves p where it is.
        batch: images in a minibatch, all processes together.
    """
    direction = (real_sign > config.target) - (real_sign < config.target)
    step = batch * config.interval / (config.speed_kimg * 1000)
    return min(max(p + direction * step, 0.0), config.p_max)
