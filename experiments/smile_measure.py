"""The measure of smiles: its fit, and its accuracy on faces that it was not fitted on.

The faces are phantoms with their true landmarks and smiles, and the portraits of docs/portraits-smiles.csv, labelled by
eye, with landmarks of the detector. The module prints the weights that `faces.expression.CALIBRATED` holds. It needs
GESTALTGEN_PORTRAITS.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from faces.detect import FaceDetector
from faces.expression import CALIBRATED, MEASURES, Smile, measures
from faces.images import read_image
from faces.phantoms.drawing import locate_landmarks
from faces.phantoms.phantom_dataset import nth_phantom

TABLE = Path(__file__).parents[1] / "docs" / "portraits-smiles.csv"
PHANTOMS = 1_000
SEED_TO_FIT, SEED_TO_TEST = 41, 42


def read_labelled_portraits(
    folder: Path, half: str, detector: FaceDetector
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read landmarks (n, 68, 2) of the labelled portraits in a half, "tuning" or "test", and who smiles (n,)."""
    with TABLE.open() as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == half]
    found = [detector.largest(read_image(folder / "images" / row["file"])).landmarks for row in rows]
    return np.stack(found), np.array([row["smiling"] == "yes" for row in rows])


def measure_known_phantoms(seed: int, count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the true landmarks (n, 68, 2) of phantoms, and their smiles (n,)."""
    people = [nth_phantom(seed, index) for index in range(count)]
    return np.stack([locate_landmarks(person, 128) for person in people]), np.array([person.smile for person in people])


def main() -> None:
    folder = os.environ.get("GESTALTGEN_PORTRAITS")
    if not folder:
        sys.exit("GESTALTGEN_PORTRAITS names no folder of portraits (docs/portraits.md)")
    detector = FaceDetector()
    tuning, test = (read_labelled_portraits(Path(folder), half, detector) for half in ("tuning", "test"))
    drawn, unseen = measure_known_phantoms(SEED_TO_FIT, PHANTOMS), measure_known_phantoms(SEED_TO_TEST, PHANTOMS)
    fitted = Smile.fit([drawn, (tuning[0], tuning[1].astype(float))])
    print("weights of", ", ".join(MEASURES))
    for name, smile in {"fitted now": fitted, "in use": CALIBRATED}.items():
        print(f"  {name}: {', '.join(f'{weight:.3f}' for weight in smile.weights)}; constant {smile.constant:.3f}")
    error = CALIBRATED(unseen[0]) - unseen[1]
    agreement = np.corrcoef(CALIBRATED(unseen[0]), unseen[1])[0, 1]
    print(f"{PHANTOMS} other phantoms: correlation {agreement:.3f}, mean error {np.abs(error).mean():.3f}")
    for name, (landmarks, smiling) in {"tuning": tuning, "test": test}.items():
        ours, width = CALIBRATED(landmarks), measures(landmarks)[:, 0]
        area = roc_auc_score(smiling, CALIBRATED.raw(landmarks))
        print(
            f"{len(smiling)} portraits, the half for {name}: AUC {area:.3f} "
            f"(width of the lips alone {roc_auc_score(smiling, width):.3f}); smiling {ours[smiling].mean():.2f}, "
            f"not {ours[~smiling].mean():.2f}"
        )


if __name__ == "__main__":
    main()
