"""Measurement of edits with the shipped weights: 300 new phantoms are inverted and edited to the opposite smile.

A face whose smile is 0.5 or more is edited to 0.2, any other to 0.8. The oracle measures whether the edit succeeded
(below 0.25, above 0.75) and what else changed. Two variants are measured for comparison: without the correction of
other changes, and along the normals of the SVM, as InterfaceGAN does. The module also measures whether two fits on
disjoint halves agree, and whether the smile by landmarks agrees with the oracle's. Identity and surroundings change in
units of the distance between people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

import weights as shipped
from editing.directions import Direction, fit
from editing.entanglement import read_latents
from editing.face_editor import EditorFiles, FaceEditor
from editing.face_readers import AGE, SMILE, FaceReading, describe_surroundings
from editing.fitting import STEADY_C, clear_examples, condition_names
from editing.latent_editor import OPPOSITE, Edit, LatentEditor
from faces.expression import CALIBRATED
from faces.images import to_tensor, to_uint8
from faces.labels import find_age_group
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.latent_region import sample_latents
from inversion.result import Inversion

SEED, COUNT = 711, 300
"""Seed and number of the phantoms."""

LATENTS_SEED, LATENTS = 9, 20_000
"""Seed and number of the latents that the two halves are fitted on."""

ARRIVED = 0.25, 0.75


@dataclass(frozen=True)
class EditOutcome:
    """One edit of one face.

    Attributes:
        condition: condition of the reconstructed face before the edit.
        wide: True if a broad smile was asked for.
    """

    condition: str
    wide: bool
    edit: Edit
    same_group: bool

    @property
    def arrived(self) -> bool:
        return self.edit.smile[1] > ARRIVED[1] if self.wide else self.edit.smile[1] < ARRIVED[0]


def edit_to_opposite(editor: LatentEditor, faces: list[Inversion], along: Direction) -> list[EditOutcome]:
    """Edit every face to the opposite of its smile."""
    outcomes = []
    for face in faces:
        before = editor.reader(face.reconstruction)
        wide, condition = bool(before.smile[0] < 0.5), (before.condition or [""])[0]
        edit = editor.to_smile(face, along, OPPOSITE[wide])
        years = float(before.attributes[AGE][0])
        same_group = find_age_group(years) == find_age_group(max(years + (edit.age_years or 0.0), 0.0))
        outcomes.append(EditOutcome(condition, wide, edit, same_group))
    return outcomes


def format_outcomes(outcomes: list[EditOutcome]) -> str:
    """Format shares of successful edits, the changes of identity and surroundings, and the change of the age."""
    identity = np.array([outcome.edit.identity for outcome in outcomes])
    share = {
        "arrived": [outcome.arrived for outcome in outcomes],
        "up": [outcome.arrived for outcome in outcomes if outcome.wide],
        "down": [outcome.arrived for outcome in outcomes if not outcome.wide],
        "condition": [kept for outcome in outcomes if (kept := outcome.edit.condition_kept) is not None],
        "age group": [outcome.same_group for outcome in outcomes],
        "good": [outcome.edit.verdict == "good" for outcome in outcomes],
    }
    shares = ", ".join(f"{name} {np.mean(values):.1%}" for name, values in share.items())
    years = np.mean([abs(outcome.edit.age_years or 0) for outcome in outcomes])
    tried = np.mean([len(outcome.edit.path) for outcome in outcomes])
    was, now = (
        describe_surroundings(torch.cat([getattr(one.edit, name) for one in outcomes])) for name in ("before", "image")
    )
    elsewhere = np.sqrt(((now - was) ** 2).mean(axis=1)) / np.sqrt(2 * was.var(axis=0).mean())
    return (
        f"{shares}, identity {identity.mean():.2f} ({(identity > 0.5).mean():.0%} above 0.5), surroundings "
        f"{elsewhere.mean():.2f}, {years:.1f} years, {tried:.0f} pictures tried"
    )


def compare_halves(read: FaceReading, w: npt.NDArray[np.float32], conditions: npt.NDArray[np.str_], C: float) -> None:
    """Print the cosines of two fits on disjoint halves, and their accuracies."""
    clear, has = clear_examples(read.attributes[SMILE], SMILE)
    x, of = w[clear].astype(np.float64), conditions[clear]
    print(f"smile, C = {C:g}: examples, cosine of two halves, cross-validated accuracy of each")
    for name in ("", *dict.fromkeys(of.tolist())):
        here = np.flatnonzero((of == name) | (name == ""))
        fits = [fit(x[part], has[part], C=C) for part in (here[::2], here[1::2])]
        cosine = float(fits[0].vector @ fits[1].vector)
        accuracies = ", ".join(f"{one.accuracy:.1%}" for one in fits)
        print(f"  {name or 'all conditions':16s} {len(here):6d}  {cosine:.3f}  {accuracies}")


def main() -> None:
    source = shipped.default()
    face_editor = FaceEditor.open(EditorFiles(source, **shipped.companions(source)), identity=False)
    generator, editor, reader = face_editor.generator, face_editor.editor, face_editor.reader
    w, cells = sample_latents(generator, LATENTS, LATENTS_SEED)
    people = [nth_phantom(SEED, index) for index in range(COUNT)]
    pixels = np.stack([draw_phantom(person, generator.config.resolution).image for person in people])
    faces = [face_editor.invert(to_tensor(pixels[at : at + 1])) for at in range(COUNT)]
    print(f"{COUNT} phantoms of seed {SEED} to the opposite smile")
    outcomes = edit_to_opposite(editor, faces, face_editor.direction(SMILE))
    print("  in use:                ", format_outcomes(outcomes))
    for condition in dict.fromkeys(outcome.condition for outcome in outcomes):
        print(
            f"    {condition:21s}", format_outcomes([outcome for outcome in outcomes if outcome.condition == condition])
        )
    loose, smile = replace(editor, patterns={}), face_editor.direction(SMILE)
    normal = smile.with_pattern(smile.vector, w)
    print("  nothing led back:      ", format_outcomes(edit_to_opposite(loose, faces, smile)))
    print("  along the normal:      ", format_outcomes(edit_to_opposite(loose, faces, normal)))

    edited = np.concatenate([to_uint8(outcome.edit.image) for outcome in outcomes])
    truth = np.array([person.smile for person in people])
    for name, pictures in {
        "drawn": pixels,
        "edited": edited,
        "drawn and edited": np.concatenate([pixels, edited]),
    }.items():
        by_landmarks, by_oracle = CALIBRATED(face_editor.find(pictures)), reader(to_tensor(pictures)).smile
        agreement, apart = np.corrcoef(by_landmarks, by_oracle)[0, 1], np.abs(by_landmarks - by_oracle).mean()
        print(f"smile by landmarks and by the oracle, {name}: correlation {agreement:.3f}, {apart:.3f} apart")
    by_landmarks = CALIBRATED(face_editor.find(pixels))
    print(f"smile by landmarks and as drawn: correlation {np.corrcoef(by_landmarks, truth)[0, 1]:.3f}")

    conditions = condition_names(generator, cells)
    read = read_latents(generator, w, reader, lambda done: None)
    for C in (STEADY_C, 1.0):
        compare_halves(read, w.numpy(), conditions, C)


if __name__ == "__main__":
    main()
