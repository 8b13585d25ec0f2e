"""Training of the models of a syndrome, and what their files hold."""

from __future__ import annotations

import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import CheckpointError, ConfigError, DatasetError
from faces.images import Pixels
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from recognition.syndromes.assessment.answer import Group, number_lines
from recognition.syndromes.assessment.card_text import write_card
from recognition.syndromes.assessment.members import FACE_AND_TERMS, name_face_alone
from recognition.syndromes.assessment.model_files import CARD, FILE, StoredModel, find_model, read_card
from recognition.syndromes.assessment.novelty_space import NoveltySpace, bound_refusals
from recognition.syndromes.assessment.syndrome_model import SyndromeModel
from recognition.syndromes.assessment.training import Training, TrainingSettings, describe_group, train_models
from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.features.descriptors import load_descriptor
from recognition.syndromes.features.extraction import name_features
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import LANDMARKS, POINTS, Layout
from recognition.syndromes.features.shape import Floats
from tests.recognition.syndromes.assessment.people import SYNDROME, draw_cohort

SETTINGS = TrainingSettings(models=("neighbours", "face_and_terms"), draws=2, folds=3)
FACE = draw_phantom(nth_phantom(3, 0), 128).image


def train(settings: TrainingSettings = SETTINGS, seed: int = 0, reverse: bool = False) -> Training:
    cohort, features = draw_cohort(seed=seed)
    if reverse:
        cohort = replace(cohort, persons=cohort.persons[::-1])
        features = features.take(range(len(features) - 1, -1, -1))
    return train_models(cohort, features, {}, SYNDROME, settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trained = train()
    folder = tmp_path_factory.mktemp("models") / "kdvs"
    trained.stored.write(folder, write_card(trained.stored.card))
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> SyndromeModel:
    return SyndromeModel.open(folder / FILE, load_descriptor(None))


def represent(monkeypatch: pytest.MonkeyPatch, features: FaceFeatures) -> None:
    """Let the features of every photograph be these, of one face."""
    monkeypatch.setattr(SyndromeModel, "represent", lambda *_: features)


def test_the_files_are_their_owners_and_name_nobody(folder: Path) -> None:
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in (FILE, CARD)] == [0o600] * 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for content in ((folder / name).read_bytes() for name in (FILE, CARD)):
        assert b"p00" not in content
    card = read_card(folder / FILE)
    assert (card.syndrome, card.patients.persons, card.draws) == (SYNDROME, 8, 2)
    assert 8 <= card.controls.persons <= 16
    assert card.controls.ancestries == {"European": card.controls.persons}
    text = (folder / CARD).read_text()
    for expected in (SYNDROME, "no diagnosis", "personal data", "8 patients", "neighbours", "face_and_terms"):
        assert expected in text


def test_the_order_of_the_files_does_not_matter() -> None:
    one, other = train().stored, train(reverse=True).stored
    assert one.card == other.card
    assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


def test_a_patient_is_told_from_a_control(model: SyndromeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    _, features = draw_cohort(seed=1)
    means = {}
    for place in (0, 20):
        represent(monkeypatch, features.take([place]))
        monkeypatch.setattr(type(next(iter(model.spaces.values()))), "limit", 1e9)
        found = model.assess(FACE, age=6.0, sex="female")
        assert set(found.estimates) == {"neighbours", "face_and_terms"}
        for one in found.estimates.values():
            assert one.low <= one.probability <= one.high
        means[place] = np.mean([one.probability for one in found.estimates.values()])
        assert found.refusals == ()
        assert any("HPO" in remark for remark in found.remarks)
        assert found.picture.shape[1] == 512 <= found.picture.shape[0]
    assert means[0] > 0.6 > 0.4 > means[20]


def move(features: FaceFeatures, distance: float) -> FaceFeatures:
    """Move the first face to a distance from where it is, about as descriptors of length 1 measure it."""
    one = features.take([0])
    X = one.X.copy()
    X[0, :128] += np.random.default_rng(5).normal(size=128) * distance * np.linalg.norm(X[0, :128]) / 128**0.5
    return replace(one, X=X)


def test_a_photograph_of_the_training_has_no_answer(model: SyndromeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = model.spaces["descriptor"].nearest.min()
    answers = {}
    for share in (0.0, 0.1, 0.75):
        represent(monkeypatch, move(draw_cohort()[1], share * smallest))
        answers[share] = model.assess(FACE)
    assert [len(one.refusals) for one in answers.values()] == [1, 1, 0]
    assert [bool(one.estimates) for one in answers.values()] == [False, False, True]


def test_without_terms_the_answer_by_the_face_has_its_own_calibration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cohort, features = draw_cohort(patients=12, controls=24)
    has = [["HP:0001629"] if place < 12 else ["HP:0001250"] for place in range(len(features))]
    settings = TrainingSettings(models=("face_and_terms",), draws=1, folds=3)
    stored = train_models(cohort, features.with_terms(has), {}, SYNDROME, settings).stored
    assert set(stored.card.figures) == {FACE_AND_TERMS, name_face_alone(FACE_AND_TERMS)}
    stored.write(tmp_path / "model", "")
    model = SyndromeModel.open(tmp_path / "model" / FILE, load_descriptor(None))
    monkeypatch.setattr(type(next(iter(model.spaces.values()))), "limit", 1e9)
    represent(monkeypatch, move(features, 1.0))
    uncalibrated = float(model.members[0].answer(move(features, 1.0))[0])
    found = model.assess(FACE).estimates
    assert found == {FACE_AND_TERMS: model.calibrations[name_face_alone(FACE_AND_TERMS)].estimate(uncalibrated)}
    described = move(features, 1.0).with_terms([["HP:0001629"]])
    uncalibrated = float(model.members[0].answer(described)[0])
    found = model.assess(FACE, terms=["HP:0001629"]).estimates
    assert found == {FACE_AND_TERMS: model.calibrations[FACE_AND_TERMS].estimate(uncalibrated)}


def test_a_head_that_is_fitted_without_age_is_remarked_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cohort, features = draw_cohort()
    drawn = np.random.default_rng(0).normal(size=(len(features), 3 * 68))
    features = features.with_block("points", drawn)
    settings = TrainingSettings(models=("neighbours", "distances"), draws=1, folds=2)
    stored = train_models(cohort, features, {}, SYNDROME, settings).stored
    stored.write(tmp_path / "model", "")
    model = SyndromeModel.open(tmp_path / "model" / FILE, load_descriptor(None))
    monkeypatch.setattr(SyndromeModel, "explain", lambda *_: [])
    represent(monkeypatch, move(features, 1.05))
    monkeypatch.setattr(type(next(iter(model.spaces.values()))), "limit", 1e9)
    assert any("less exact" in one for one in model.assess(FACE, sex="female").remarks)
    assert not any("less exact" in one for one in model.assess(FACE, sex="female", age=6.0).remarks)


def test_a_model_takes_the_descriptor_of_its_training_only(tmp_path: Path) -> None:
    cohort, features = draw_cohort()
    stored = train_models(
        cohort, replace(features, computation=name_features("arcface")), {}, SYNDROME, SETTINGS
    ).stored
    stored.write(tmp_path / "model", "")
    with pytest.raises(CheckpointError, match="arcface"):
        SyndromeModel.open(tmp_path / "model" / FILE, load_descriptor(None))

    class Brightness:
        name, size = "arcface", 128

        def __call__(self, image: Pixels, landmarks: Floats) -> Floats:
            return np.full(128, image.mean())

    model = SyndromeModel.open(tmp_path / "model" / FILE, Brightness())
    np.testing.assert_allclose(model.describe(FACE), 128**-0.5, rtol=1e-6)


def test_two_models_of_one_syndrome_are_refused_with_their_folders(folder: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        shutil.copytree(folder, tmp_path / name)
    with pytest.raises(ConfigError, match="first, second"):
        find_model(tmp_path, SYNDROME)
    shutil.rmtree(tmp_path / "second")
    assert find_model(tmp_path, SYNDROME) == tmp_path / "first" / FILE


def test_a_limit_of_novelty_refuses_hardly_any_face_like_those_of_the_training() -> None:
    generator = np.random.default_rng(0)
    for faces in (10, 30):
        refused = []
        for _ in range(300):
            rows = generator.normal(size=(faces + 1, 8)).astype(np.float32)
            refused.append(NoveltySpace.fit("landmarks", rows[:-1]).measure("landmarks", rows[-1]).beyond)
        assert np.mean(refused) <= bound_refusals(faces) + 2 * (bound_refusals(faces) / 300) ** 0.5
    many = NoveltySpace(np.zeros((199, 1), np.float32), np.arange(199.0))
    assert (many.limit, bound_refusals(199)) == (197, 0.01)


def test_a_group_is_described_without_single_ages_and_small_numbers() -> None:
    def describe(people: int, males: int) -> Group:
        return describe_group(
            [
                Person(str(n), f"{n}.png", None, "male" if n < males else "female", "European", 3.3 + n)
                for n in range(people)
            ]
        )

    assert describe(8, 3) == Group(8, {}, {"European": 8}, (0.0, 15.0))  # 5 females would give 3 males away
    assert describe(11, 5) == Group(11, {"female": 6, "male": 5}, {"European": 11}, (0.0, 15.0))
    assert describe(20, 10).ages == (0.0, 8.0, 12.0, 17.0, 25.0)


def test_ancestry_that_is_not_matched_is_named_nowhere_as_a_reason() -> None:
    cohort, features = draw_cohort()
    unknown = [replace(one, ancestry="", age=90.0 if one.person == "p000" else one.age) for one in cohort.persons]
    trained = train_models(Cohort(tuple(unknown)), features, {}, SYNDROME, SETTINGS)
    assert not trained.stored.card.ancestry_matched
    assert ["ancestry" in reason for _, reason in trained.left_out] == [False]
    assert "ancestry was not matched" in write_card(trained.stored.card)


def test_a_smaller_prior_makes_the_syndrome_less_probable(
    model: SyndromeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    represent(monkeypatch, move(draw_cohort()[1], 0.75))
    likely, unlikely = (model.assess(FACE, prior=prior).estimates["neighbours"] for prior in (0.5, 0.01))
    assert unlikely.probability < likely.probability


def test_a_face_unlike_all_others_has_no_answer(model: SyndromeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    features = move(draw_cohort()[1], 0.75)
    X = features.X.copy()
    X[0, 128:] += 10
    represent(monkeypatch, replace(features, X=X))
    found = model.assess(FACE)
    assert found.estimates == {}
    strip = found.picture[512:]
    assert strip.min() == 0  # which says that there is no answer
    assert found.reasons == ()
    assert found.novelty["landmarks"].beyond
    assert found.novelty["landmarks"].share == 0
    assert len(found.refusals) == 1
    assert found.to_json()["novelty"]["landmarks"]["beyond"]


def test_an_answer_has_neither_a_person_of_the_training_nor_a_distance(
    model: SyndromeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    represent(monkeypatch, move(draw_cohort()[1], 0.75))
    answer = model.assess(FACE).to_json()
    assert {one["kind"] for one in answer["reasons"]} == {"block"}
    assert any("of the 6 nearest faces of 2 draws" in one["name"] for one in answer["reasons"])
    assert list(answer["novelty"].values()) == [{"share": 0.9, "beyond": False}] * 2


def test_a_person_unlike_the_training_is_remarked_on(model: SyndromeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    represent(monkeypatch, move(draw_cohort()[1], 0.75))
    remarks = model.assess(FACE, age=60, sex="other").remarks
    assert sum("60" in one for one in remarks) == sum("sex other" in one for one in remarks) == 2
    for person, unknown in (({}, "sex and age"), ({"age": 6.0}, "sex not"), ({"sex": "male"}, "age not")):
        assert sum(unknown in one for one in model.assess(FACE, **person).remarks) == 1


def test_an_answer_says_what_the_ensemble_is_made_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cohort, features = draw_cohort()
    points = np.pad(features.block(LANDMARKS).reshape(-1, 68, 2), ((0, 0), (0, 0), (0, 1)))
    layout = Layout((*features.layout.blocks, (POINTS, 68 * 3)))
    features = replace(features, X=np.hstack([features.X, points.reshape(len(features), -1)]), layout=layout)
    settings = TrainingSettings(models=("neighbours", "distances"), draws=1, folds=2, flat=True)
    train_models(cohort, features, {}, SYNDROME, settings).stored.write(tmp_path / "model", "")
    represent(monkeypatch, move(features, 0.75))
    answer = SyndromeModel.open(tmp_path / "model" / FILE, load_descriptor(None)).assess(FACE, age=6, sex="male")
    assert any("neighbours, distances" in one for one in answer.remarks)
    assert any("flat" in one for one in answer.remarks)
    assert {one.model for one in answer.reasons} == {"neighbours", "distances"}
    numbered = number_lines(answer.reasons)
    assert list(numbered) == list(range(1, len(numbered) + 1))
    assert all(one.model == "distances" for one in numbered.values())
    assert len(answer.picture) >= 512 + 10 * len(numbered)  # their names are beneath the face


def test_terms_that_nobody_of_the_training_has_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cohort, features = draw_cohort()
    has = [["HP:0001629"] if place < 8 else ["HP:0001250"] for place in range(len(features))]
    stored = train_models(cohort, features.with_terms(has), {}, SYNDROME, SETTINGS).stored
    stored.write(tmp_path / "model", "")
    model = SyndromeModel.open(tmp_path / "model" / FILE, load_descriptor(None))
    represent(monkeypatch, move(features, 0.75))
    assert {one.kind for one in model.assess(FACE, terms=["HP:0002069"]).reasons} >= {"term"}
    remarks = model.assess(FACE, terms=["HP:0000286", "HP:0000007"]).remarks  # a sign of the face, an inheritance
    assert all(any(term in one for one in remarks) for term in ("HP:0000286", "HP:0000007", "face alone"))
    assert stored.card.term_counts is not None
    assert (stored.card.term_counts.patients, stored.card.term_counts.auc.value) == (1, 0.5)
    assert "0.50 (" in write_card(stored.card)
    [member, *_] = [one for one in model.members if one.name == FACE_AND_TERMS]
    face = features.take([0])
    assert member.answer(face.with_terms([["HP:0002069"]])) < member.answer(face)


def test_people_who_cannot_be_used_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort, features = draw_cohort()
    keep = [place for place in range(len(features)) if place != 3]
    trained = train_models(cohort, features.take(keep), {"p003.png": "no face"}, SYNDROME, SETTINGS)
    assert [(person.file, reason) for person, reason in trained.left_out] == [("p003.png", "no face")]
    assert trained.stored.card.unmatched == {"no face": 1}


def test_too_few_patients_and_models_without_their_features_are_refused() -> None:
    cohort, features = draw_cohort(patients=4)
    with pytest.raises(DatasetError):
        train_models(cohort, features, {}, SYNDROME, SETTINGS)
    with pytest.raises(ConfigError, match="points"):
        train_models(*draw_cohort(), {}, SYNDROME, TrainingSettings(models=("ensemble",)))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        StoredModel.read(tmp_path / FILE)
