from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from studies.answers.importer import import_answers
from studies.answers.key import KeyImage, format_answer_key, read_answer_key
from studies.plan.key_design import describe_key
from studies.plan.simulate import Effects, draw_images, simulate_answers
from studies.plan.simulated_export import format_qualtrics
from studies.plan.study_design import DUONG_WS, PATEL, StudyDesign


@pytest.mark.parametrize("design", [PATEL, DUONG_WS], ids=lambda design: design.name)
def test_an_export_is_imported_as_the_answers_that_were_simulated(tmp_path: Path, design: StudyDesign) -> None:
    small = design.with_participants(4)
    images = draw_images(small, np.random.default_rng(1))
    answers = simulate_answers(small, Effects(), 1, images)
    (tmp_path / "export.csv").write_text(format_qualtrics(answers), encoding="utf-8")
    (tmp_path / "key.csv").write_text(format_answer_key(image for row in images for image in row), encoding="utf-8")
    imported = import_answers([tmp_path / "export.csv"], read_answer_key(tmp_path))
    assert not imported.left_out
    assert {*imported.answers} == {*answers}


def test_a_key_gives_the_design_of_its_survey() -> None:
    images = [image for row in draw_images(PATEL, np.random.default_rng(2)) for image in row]
    key = {image.image: image for image in images}
    design, ordered = describe_key(key, 6, 0.7)
    answers = simulate_answers(design, Effects(), 0, ordered)
    assert len(answers) == 6 * 32
    assert all(key[answer.image].variant == answer.variant for answer in answers)
    assert all(key[answer.image].face == answer.face for answer in answers)
    assert {answer.version for answer in answers} == {"A", "B"}


def test_incomplete_versions_are_refused() -> None:
    image = KeyImage("A_1", "face", "WS", "edited", "A")
    for images in ([image, replace(image, image="A_2")], [image, replace(image, image="B_1", version="B", face="x")]):
        with pytest.raises(DatasetError):
            describe_key({one.image: one for one in images}, 6, 0.7)
