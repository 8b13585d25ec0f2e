"""Floor of the verdict on the eyes of reconstructions: what harmless damage and clouded eyes do to their similarity.

`python -m experiments.eye_floor DATASET` takes aligned faces of 128 px, damages them, and prints the similarity of the
eyes (`inversion.facial_features.compare_eyes`) with the undamaged faces. With `--key` and `--ratings`, the files of
`experiments.blind_rating`, it also prints how the floor divides the pictures that a reader accepted and rejected.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
import typer
from PIL import Image

from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.images import Pixels, read_image, to_tensor
from inversion.facial_features import compare_eyes
from inversion.framing import frame_face
from inversion.quality import FLOORS

_IRIS: Final = 0.035
"""Radius of the disc that clouds an eye, as a share of the side."""

_QUANTILES: Final = (0.05, 0.5, 0.95)


def damage(face: Pixels, eye: tuple[float, float], draws: np.random.Generator) -> dict[str, Pixels]:
    """Damage an aligned face uint8 (h, h, 3) in ways that are harmless, and in ways that spoil one of its eyes.

    Args:
        eye: place of this eye, x and y in pixels.
        draws: draw the noise.
    """
    side = len(face)
    y, x = np.mgrid[:side, :side]
    away = np.hypot(x - eye[0], y - eye[1]) / (_IRIS * side)
    iris, socket = np.clip(2 - 2 * away, 0, 1)[:, :, None], np.clip(2.5 - away, 0, 1)[:, :, None]
    haze = (face * iris).sum(axis=(0, 1)) / iris.sum()
    small = cv2.resize(face, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    compressed = BytesIO()
    Image.fromarray(face).save(compressed, "JPEG", quality=40)
    return {
        "harmless: JPEG of quality 40": np.array(Image.open(compressed)),
        "harmless: half the resolution": _round(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)),
        "harmless: noise": _round(face + draws.normal(0, 5, face.shape)),
        "harmless: soft, Gaussian of 0.8 px": _round(cv2.GaussianBlur(face, (0, 0), 0.8)),
        "spoilt: an eye blurred, Gaussian of 2 px": _mix(face, cv2.GaussianBlur(face, (0, 0), 2.0), socket),
        "spoilt: an eye smeared, Gaussian of 4 px across": _mix(
            face, cv2.GaussianBlur(face, (0, 0), sigmaX=4.0, sigmaY=1.0), socket
        ),
        "spoilt: an iris clouded": _mix(face, haze + 25, iris),
    }


def _mix(face: Pixels, other: npt.NDArray[Any], share: npt.NDArray[np.float64]) -> Pixels:
    return _round(face * (1 - share) + other * share)


def _round(values: npt.NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def measure_damage(faces: Pixels, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    """Measure the similarity (n,) of the eyes of faces uint8 (n, h, h, 3) with damaged ones, by kind of damage."""
    draws, detector = np.random.default_rng(seed), FaceDetector()
    damaged: dict[str, list[tuple[Pixels, Pixels]]] = {}
    for number, face in enumerate(faces):
        large = cv2.resize(face, (256, 256), interpolation=cv2.INTER_CUBIC)
        found = detector.detect(large)
        if not found:
            continue
        eye = found[0].landmarks[36:42] if number % 2 else found[0].landmarks[42:48]
        x, y = eye.mean(axis=0) * len(face) / len(large)
        for name, other in damage(face, (x, y), draws).items():
            damaged.setdefault(name, []).append((face, other))
        damaged.setdefault("another person", []).append((face, faces[number - 1]))
    return {name: _compare(pairs) for name, pairs in damaged.items()}


def _compare(pairs: list[tuple[Pixels, Pixels]]) -> npt.NDArray[np.float64]:
    ours, theirs = (to_tensor(np.stack(side)) for side in zip(*pairs, strict=True))
    return np.asarray(compare_eyes(theirs, ours).double().numpy())


def measure_ratings(key: Path, ratings: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Measure the pictures of a blind rating, by the answer of the reader ("yes" or "no")."""
    detector = FaceDetector()
    answers = {row["number"]: row.get("accept") or row["same_person_and_intact"] for row in _read_table(ratings)}
    pairs: dict[str, list[tuple[Pixels, Pixels]]] = {}
    for row in _read_table(key):
        if row["kind"] == "reconstruction":
            picture = read_image(Path(row["picture"]))
            face = frame_face(read_image(Path(row["photograph"])), len(picture), detector).face
            pairs.setdefault(answers[row["number"]], []).append((face, picture))
    return {answer: _compare(shown) for answer, shown in pairs.items()}


def _read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(
    dataset: Annotated[Path, typer.Argument(help="Data set of aligned faces of which none is held out.")],
    count: Annotated[int, typer.Option(help="Number of faces that are damaged.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the draw of the faces.")] = 0,
    key: Annotated[Path | None, typer.Option(help="Key of a blind rating.")] = None,
    ratings: Annotated[Path | None, typer.Option(help="The reader's answers to it.")] = None,
) -> None:
    """Print the similarity of eyes after damage, and of the pictures of a blind rating."""
    with Dataset.open(dataset) as faces:
        chosen = np.random.default_rng(seed).permutation(len(faces))[:count]
        images = np.stack([faces.image(int(index)) for index in chosen])
    with torch.no_grad():
        damaged = measure_damage(images, seed)
        _print(damaged)
        for kind in ("harmless", "spoilt"):
            _print({f"all {kind}": np.concatenate([damaged[name] for name in damaged if name.startswith(kind)])})
        if key is not None and ratings is not None:
            _print({f"reader's answer {name!r}": values for name, values in measure_ratings(key, ratings).items()})


def _print(measured: Mapping[str, npt.NDArray[np.float64]]) -> None:
    floor = FLOORS.good["eyes"]
    for name, values in measured.items():
        low, middle, high = np.quantile(values, _QUANTILES)
        below = int((values < floor).sum())
        typer.echo(f"{name:50} 5, 50, 95 %: {low:.3f} {middle:.3f} {high:.3f}; below {floor}: {below} of {len(values)}")


if __name__ == "__main__":
    typer.run(main)
