"""Picture of phantoms with saliency maps beside the causal moves of their regions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from matplotlib.figure import Figure

from faces.phantoms.regions import REGIONS
from recognition.classifier import Classifier
from recognition.explanation.regions.relevance import sum_channels
from recognition.explanation.saliency.methods import attribute, find_obstacle
from recognition.explanation.truth.measurement import Floats, compute_face_logits
from recognition.explanation.truth.phantom_faces import PhantomFace
from recognition.images.image_stack import to_network_input

SHOWN: Final = ("gradcam", "integrated_gradients", "deeplift", "lrp_epsilon_z_plus", "guided_gradcam", "occlusion")
"""Methods of the picture."""

_CELL: Final = 1.35  # inches
_STRONGEST: Final = 99.5  # percentile that is drawn in the strongest colour: single pixels would hide the rest


def draw_truth(classifiers: Sequence[Classifier], faces: Sequence[PhantomFace]) -> bytes:
    """Draw one face a row: as it is, without the condition, where pixels change, causal moves, and maps. PNG.

    Args:
        classifiers: one for each face.
        faces: test faces whose conditions are classes.
    """
    rows = [_draw_row(classifier, face) for classifier, face in zip(classifiers, faces, strict=True)]
    columns = max(rows, key=len)
    figure = Figure(figsize=(_CELL * len(columns), _CELL * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for face, row, cells in zip(faces, rows, axes, strict=True):
        for title, cell in zip(columns, cells, strict=True):
            cell.set_axis_off()
            if title not in row:
                continue
            values = row[title]
            if values.ndim == 3:
                cell.imshow(values)
            else:
                cell.imshow(face.image.mean(axis=2), cmap="gray", vmax=320)
                cell.imshow(values, cmap="inferno", alpha=0.75, vmin=0, vmax=np.percentile(values, _STRONGEST) or 1)
            if row is rows[0]:
                cell.set_title(title.replace("_", "\n"), fontsize=8)
        cells[0].text(0, -2, face.phantom.condition, fontsize=8, va="bottom")
    figure.suptitle("Phantoms, no patients. No basis for a diagnosis.", fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()


def _draw_row(classifier: Classifier, face: PhantomFace) -> dict[str, Floats]:
    """Compute the pictures (h, w, 3) and maps (h, w) of a face by their titles."""
    target = classifier.classes.index(face.phantom.condition)
    image = to_network_input(torch.from_numpy(face.image)[None])
    row: dict[str, Floats] = {"face": face.image, "unaffected": face.unaffected}  # type: ignore[dict-item]
    row["changed pixels"] = np.abs(face.image.astype(float) - face.unaffected).sum(axis=2)
    logits = compute_face_logits(classifier, [face.image, *face.restored.values()])[:, target]
    moves = dict(zip(face.restored, np.abs(logits[0] - logits[1:]), strict=True))
    row["causal move"] = np.sum([face.masks[region] * moves.get(region, 0.0) for region in REGIONS], axis=0)
    for method in SHOWN:
        if find_obstacle(classifier.network, method) is None:
            row[method] = sum_channels(attribute(classifier.network, image, [target], method))[0]
    return row
