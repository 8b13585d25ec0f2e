"""Controller of adaptive augmentation: it raises p when the discriminator overfits (Karras et al. 2020, section 3).

Its whole state is the current probability p and, between two decisions, the running mean r_t of the signs of D(real).
The trainer keeps and saves both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import ConfigError


@dataclass(frozen=True)
class AdaConfig:
    """Configuration of how p follows r_t.

    Args:
        target: value at which r_t is held, in (-1, 1).
        interval: minibatches between two decisions.
        speed_kimg: thousands of images in which p can move by 1; 500, or 100 when fine-tuning.
        p_max: largest p, in (0, 1]. The paper sets no maximum, but a probability above 1 would only delay its
            decrease.

    Raises ConfigError outside these ranges.
    """

    target: float = 0.6
    interval: int = 4
    speed_kimg: float = 500
    p_max: float = 1.0

    def __post_init__(self) -> None:
        if not -1 < self.target < 1:
            raise ConfigError(f"ADA target is {self.target}; expected a mean of signs in (-1, 1), usually 0.6")
        if self.interval < 1:
            raise ConfigError(f"ADA interval is {self.interval}; expected a whole number of minibatches, at least 1")
        if not 0 < self.speed_kimg < math.inf:
            raise ConfigError(f"ADA speed_kimg is {self.speed_kimg}; expected a positive number, usually 500")
        if not 0 < self.p_max <= 1:
            raise ConfigError(f"ADA p_max is {self.p_max}; expected a probability in (0, 1]")


def next_p(p: float, real_sign: float, batch: int, config: AdaConfig) -> float:
    """Compute the probability of the next `config.interval` minibatches.

    Args:
        p: probability of the last minibatches, in [0, 1].
        real_sign: r_t, the mean of sign(D(real)) over the last `config.interval` minibatches, all processes together.
            A value equal to the target, or NaN, leaves p where it is.
        batch: images in a minibatch, all processes together.
    """
    direction = (real_sign > config.target) - (real_sign < config.target)
    step = batch * config.interval / (config.speed_kimg * 1000)
    return min(max(p + direction * step, 0.0), config.p_max)
