"""3D heads: a model of the human head from infancy to old age, and its fit to the 68 landmarks of a photograph.

`head.safetensors` holds the model as numbers; head.md says where they come from (CC0) and how well the fit does.
"""

from faces.heads.fit import HeadFits, fit_heads
from faces.heads.head_model import HALVES, POINTS, HeadModel, load_head_model

__all__ = ["HALVES", "POINTS", "HeadFits", "HeadModel", "fit_heads", "load_head_model"]
