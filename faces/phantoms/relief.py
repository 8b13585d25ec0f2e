"""The bumps and hollows of a phantom's face, and how light falls on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from faces.phantoms.anatomy import EYE_Y, Anatomy
from faces.phantoms.paint import Floats

if TYPE_CHECKING:
    from faces.phantoms.person import Looks, Phantom

_RELIEF_SIDE: Final = 96  # light varies slowly, so it is computed on a grid of its own


def bumps(rows: Sequence[tuple[float, float, float, float, float]]) -> Floats:
    """Sum Gaussian bumps (x, y, spread x, spread y, height) on the relief's grid; those with x > 0 are mirrored."""
    both = [(side * x, *rest) for x, *rest in rows for side in ((1, -1) if x else (1,))]
    x, y, spread_x, spread_y, height = (np.array(c, np.float32)[:, None] for c in zip(*both, strict=True))
    at = (np.arange(_RELIEF_SIDE, dtype=np.float32)[None] + 0.5) / _RELIEF_SIDE
    across = np.exp(-0.5 * ((at - 0.5 - x) / spread_x) ** 2)
    down = height * np.exp(-0.5 * ((at - y) / spread_y) ** 2)
    summed: Floats = down.T @ across
    return summed


def relief(phantom: Phantom, body: Anatomy) -> Floats:
    """Compute the height of the face towards the viewer, in sides, on the relief's grid."""
    traits, signs, growth, points = phantom.traits, phantom.signs, body.growth, body.landmarks
    scale, smile = growth.lower_face, phantom.smile
    tip_y, base_y, wing_x = points[30, 1], points[33, 1], points[35, 0]
    seam_y, chin_y, cheek_x = points[62, 1], points[8, 1], points[13, 0]
    eye_x = points[42:48, 0].mean()
    bridge = float(np.clip(0.020 + traits["bridge_width"], 0.010, 0.045)) * growth.nose
    tip = max(0.5, 1 + traits["nose_tip"])
    malar = 1 - float(np.clip(traits["malar_flatness"], -0.6, 1.2))
    puffy = float(np.clip(0.25 + traits["periorbital_fullness"], 0, 1.6)) + 0.3 * growth.sag
    full = 0.020 * growth.chubby + 0.45 * traits["cheek_fullness"]
    depth = growth.relief
    philtrum = points[51, 1] - base_y
    philtrum_y, philtrum_spread = base_y + philtrum / 2, philtrum / 2 + 0.004
    rows = [
        (0.0, EYE_Y + 0.02, bridge, 0.050, (0.026 + 0.020 * signs.bridge_height) * depth),
        (0.0, (EYE_Y + tip_y) / 2 + 0.02, bridge, 0.055 * scale, (0.034 + 0.026 * signs.bridge_height) * depth),
        (0.0, tip_y - 0.004, 0.027 * tip * growth.nose, 0.026 * scale * tip, 0.040),
        (wing_x * 0.82, base_y - 0.018 * scale, 0.013, 0.016, 0.016),
        (0.10, 0.405, 0.07, 0.022, 0.012 * depth),
        (0.062, EYE_Y - 0.005, 0.022, 0.028, -0.024 * depth),
        (eye_x, EYE_Y - 0.012, 0.050, 0.022, -0.012 * depth),
        (eye_x, EYE_Y + 0.038 * growth.eye, 0.040, 0.010, 0.010 * puffy),
        (eye_x + 0.01, EYE_Y - 0.040 * growth.eye, 0.042, 0.011, 0.008 * puffy),
        (eye_x + 0.035, EYE_Y + 0.105 * scale - 0.018 * smile, 0.050, 0.036, (0.017 + 0.012 * smile) * malar),
        (cheek_x * 0.66, base_y + 0.015, 0.055, 0.055, full),
        (cheek_x * 0.74, base_y + 0.05, 0.030, 0.050, -0.010 * (depth - 0.5)),
        (0.0, seam_y, 0.075, 0.055, 0.016),
        (0.0, points[57, 1] + 0.016 * scale, 0.050, 0.010, -0.012),
        (0.0, chin_y - 0.045 * scale, 0.042, 0.030, 0.022),
        (0.0, philtrum_y, 0.009, philtrum_spread, -0.010),
        (0.021, philtrum_y, 0.008, philtrum_spread, 0.004),
        (0.0, 0.27, 0.13, 0.075, 0.014 + 0.02 * growth.cranium),
    ]
    if signs.midface_retrusion:
        rows.append((0.085, base_y - 0.035, 0.040, 0.050, -0.060 * signs.midface_retrusion))
    if signs.proptosis:
        rows.append((eye_x, EYE_Y, 0.045, 0.030, 0.030 * signs.proptosis))
    dome = _dome(half_width=points[:17, 0].max(), top=0.05, bottom=chin_y)
    return np.asarray(dome + bumps(rows), np.float32)


def _dome(half_width: float, top: float, bottom: float) -> Floats:
    """Compute the height of the head without features."""
    at = (np.arange(_RELIEF_SIDE, dtype=np.float32) + 0.5) / _RELIEF_SIDE
    middle = 0.5 * (bottom + top)
    across = ((at - 0.5) / (1.16 * half_width)) ** 2
    down = ((at - middle) / (1.12 * (bottom - middle))) ** 2
    inside = 1.0 - across[None] - down[:, None]
    dome = np.sqrt(0.5 * (inside + np.sqrt(inside**2 + 0.02)))  # goes on falling outside the face
    return np.asarray(0.22 * dome, np.float32)


def light(height: Floats, looks: Looks) -> Floats:
    """Compute the brightness of the relief lit from above and one side; about 0 (dark) to 1 (light)."""
    slope_y, slope_x = np.gradient(height, 1 / _RELIEF_SIDE)
    towards = np.array([0.38 * looks.light_side, -0.42, 0.82])
    towards /= np.linalg.norm(towards)
    facing = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    diffuse = (towards[2] - towards[0] * slope_x - towards[1] * slope_y) * facing
    shine = np.clip(diffuse, 0, 1) ** 24
    return np.asarray(np.clip(0.06 + 0.66 * np.clip(diffuse, 0, 1) + 0.20 * shine, 0, 1), np.float32)
