"""The expression experiment: who smiles, what goes through the service, which fold sees it, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.errors import DatasetError
from experiments.expression import __main__ as command
from experiments.expression import classifiers
from experiments.expression.classifiers import (
    ARMS,
    FOLDS,
    ExpressionPlan,
    assign_to_folds,
    predict_views,
    read_edited_pictures,
)
from experiments.expression.edits import (
    EditAnswer,
    describe_process,
    edit_faces,
    read_answers,
    read_view,
    select_persons,
    summarise_answers,
)
from experiments.expression.effects import REST_TO_SMILE, TO_REST, TO_SMILE, Views, measure_effects
from experiments.expression.people import (
    BALANCED,
    PLANTED,
    TEST_SEED,
    TRAIN_SEED,
    Scale,
    draw_people,
    redraw_with_smile,
)
from experiments.expression.results import PATEL, collect_results, format_tables, plot_effects
from experiments.expression.views import (
    DRAWN,
    IDEAL,
    MADE,
    PHOTOGRAPH,
    PLANTED_SET,
    RECONSTRUCTION,
    REST,
    SMILE,
    TARGETS,
    TEST_SET,
)
from experiments.processes import run_app
from faces.datasets.dataset import Dataset
from faces.images import Pixels, encode_png, read_image
from faces.labels import CONDITIONS, find_age_group
from faces.phantoms.phantom_dataset import write_phantoms
from gestaltgen_client import JobError, ServiceError
from recognition.images.folds import split_into_folds
from recognition.images.samples import RealSamples, Samples, load_real_samples
from recognition.predictions import Predictions

SCALE = Scale(persons=5, test_persons=5, epochs=1, images_per_epoch=20)
GOOD = {"verdict": "good", "because": [], "smile_before": 0.1}
EDITED = {REST: GOOD | {"smile_after": 0.2}, SMILE: GOOD | {"smile_after": 0.78}}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the faces to train on, 16 px, sent to nobody yet."""
    folder = tmp_path_factory.mktemp("expression")
    write_phantoms(folder / PLANTED_SET, draw_people(PLANTED, SCALE.persons, TRAIN_SEED), size=16)
    return folder


@pytest.fixture(scope="module")
def real(out: Path) -> RealSamples:
    return load_real_samples(out / PLANTED_SET)


@pytest.fixture
def edited(out: Path, real: RealSamples, tmp_path: Path) -> Path:
    """The same with pictures of a service, and the third face refused."""
    (tmp_path / PLANTED_SET).write_bytes((out / PLANTED_SET).read_bytes())
    service = Service(refuses={2})
    edit_faces(tmp_path / PLANTED_SET, tmp_path / "edited" / "planted", service.client)
    return tmp_path


class Service:
    """What the client would say of a service that paints a face grey, darker the less it smiles.

    Args:
        refuses: places in the order of sending whose inversion fails.
        ends_after: so many faces, as if it were killed.
    """

    def __init__(self, refuses: set[int] | None = None, ends_after: int | None = None) -> None:
        self.refuses, self.ends_after = refuses or set(), ends_after
        self.sent: list[Pixels] = []
        self.erased = 0
        self.client: Any = self

    def models(self) -> list[dict[str, Any]]:
        return [{"name": "tiny"}]

    def training_images(self, model: str) -> dict[str, Any]:
        return {"known": True, "complete": True, "keys": []}

    def send_photo(self, photo: bytes, *, aligned: bool, consent: str, purpose: str, wait_s: float) -> Work:
        if len(self.sent) == self.ends_after:
            raise ServiceError("it does not answer: does the service run?")
        assert aligned
        assert consent.isascii()
        assert purpose.isascii()
        self.sent.append(read_image(photo))
        return Work(self, len(self.sent) - 1, failed=len(self.sent) - 1 in self.refuses)


class Work:
    """A photograph, or an edit of it."""

    what = "photograph"
    error = "no inversion of 3.5 converges"

    def __init__(self, service: Service, place: int, failed: bool = False, smile: float | None = None) -> None:
        self.service, self.place, self.smile = service, place, smile
        self.state = "failed" if failed else "done"
        self.quality = GOOD
        self.result = None if smile is None else EDITED[SMILE if smile > 0.5 else REST]

    def wait(self, timeout_s: float) -> Work:
        if self.state == "failed":
            raise JobError(f"photograph 77 failed: {self.error}")
        return self

    def refresh(self) -> Work:
        return self

    def edit(self, *, smile: float, wait_s: float) -> Work:
        return Work(self.service, self.place, smile=smile)

    def image(self) -> bytes:
        assert self.smile is not None
        return encode_png(np.full((16, 16, 3), round(200 * self.smile) + self.place, dtype=np.uint8))

    def before(self) -> bytes:
        return encode_png(np.full((16, 16, 3), self.place, dtype=np.uint8))

    def erase(self) -> None:
        self.service.erased += 1


def test_the_planted_shares_are_met_and_persons_and_ages_are_balanced() -> None:
    planted, balanced = draw_people(PLANTED, 120, TRAIN_SEED), draw_people(BALANCED, 120, TRAIN_SEED)
    for condition, share in PLANTED.items():
        smiles = np.array([one.smile for one in planted if one.condition == condition])
        assert ((smiles >= 0.75) | (smiles <= 0.25)).all()
        assert (smiles > 0.5).sum() == round(120 * share)
        ages = [find_age_group(one.age_years).name for one in planted if one.condition == condition]
        assert {ages.count(name) for name in set(ages)} == {24}
        assert sum(one.smile > 0.5 for one in balanced if one.condition == condition) == 60
    assert [(a.identity, a.age_years) for a in planted] == [(b.identity, b.age_years) for b in balanced]
    assert len({one.identity for one in planted}) == 480
    tested = draw_people(BALANCED, 60, TEST_SEED)
    assert not {one.identity for one in tested} & {one.identity for one in planted}
    ideal = redraw_with_smile(tested, 0.2)
    assert [one.traits for one in ideal] == [one.traits for one in tested]
    assert {one.smile for one in ideal} == {0.2}


def test_a_data_set_has_the_persons_in_their_order(out: Path) -> None:
    drawn = draw_people(PLANTED, SCALE.persons, TRAIN_SEED)
    records = Dataset.open(out / PLANTED_SET).records
    assert [(one.condition, one.expression) for one in records] == [(one.condition, one.smile) for one in drawn]
    assert SCALE.sent == {TEST_SET: 20, PLANTED_SET: 20}


def test_faces_go_through_the_service_once_and_are_forgotten_there(edited: Path, real: RealSamples) -> None:
    folder, again = edited / "edited" / "planted", Service()
    found = read_answers(folder, len(real))
    assert [place for place, one in enumerate(found) if one.refused] == [2]
    assert found[2].refused == "photograph: no inversion of 3.5 converges"
    assert found[0] == EditAnswer(None, GOOD, EDITED)
    assert read_image(folder / "0004-smile.png")[0, 0, 0] == 164
    assert read_image(folder / "0004-reconstruction.png")[0, 0, 0] == 4
    edit_faces(edited / PLANTED_SET, folder, again.client)
    assert again.sent == []
    assert describe_process(edited, "", {PLANTED_SET: 20}).done
    assert not describe_process(edited, "", {PLANTED_SET: 20, TEST_SET: 20}).done


def test_a_service_that_goes_away_is_an_error_and_the_rest_is_sent_later(
    out: Path, real: RealSamples, tmp_path: Path
) -> None:
    first, second = Service(ends_after=7), Service()
    with pytest.raises(ServiceError, match="does the service run"):
        edit_faces(out / PLANTED_SET, tmp_path / "planted", first.client)
    edit_faces(out / PLANTED_SET, tmp_path / "planted", second.client)
    assert (len(first.sent), len(second.sent), first.erased, second.erased) == (7, 13, 7, 13)
    for place, pixels in enumerate([*first.sent, *second.sent]):
        np.testing.assert_array_equal(pixels, real.image(place))


def test_a_face_that_the_generator_was_trained_on_is_not_sent(out: Path, real: RealSamples, tmp_path: Path) -> None:
    class Knows(Service):
        def training_images(self, model: str) -> dict[str, Any]:
            return {"known": True, "complete": True, "keys": [real.samples[3].key[:16]]}

    service = Knows()
    with pytest.raises(DatasetError, match="1 of 20 test images were seen in training: 1 by generator tiny"):
        edit_faces(out / PLANTED_SET, tmp_path / "planted", service.client)
    assert service.sent == []


def test_what_is_added_is_the_other_expression_or_both(edited: Path, real: RealSamples) -> None:
    other, both, alone = (read_edited_pictures(arm, edited, SCALE, real) for arm in ARMS if arm.adds != "none")
    kept = [place for place in range(len(real)) if place != 2]
    assert [sample.person for sample in other.samples] == [real.samples[place].person for place in kept]
    assert [sample.label for sample in other.samples] == [real.samples[place].label for place in kept]
    assert all(sample.synthetic for sample in both.samples)
    smiling = [one.smile > 0.5 for one in draw_people(PLANTED, SCALE.persons, TRAIN_SEED)]
    # the service of these tests paints a smile of 0.8 as 160 and more, one of 0.2 as 40 and more
    assert [bool(other.image(n)[0, 0, 0] < 100) for n in range(len(kept))] == [smiling[place] for place in kept]
    assert len(both) == len(alone) == 2 * len(other)
    assert sum(int(both.image(n)[0, 0, 0] < 100) for n in range(len(both))) == len(other)


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.adds != "none"], ids=lambda arm: arm.folder)
def test_edited_pictures_stay_with_their_person(edited: Path, real: RealSamples, arm: Any) -> None:
    stack = read_edited_pictures(arm, edited, SCALE, real)
    extra, shown = assign_to_folds(real, stack), 0
    for fold, (inside, held) in enumerate(split_into_folds(real, FOLDS)):
        persons = {sample.person for sample in extra(fold).samples}
        assert not persons & {real.samples[place].person for place in held}
        assert persons == {real.samples[place].person for place in inside if place != 2}
        shown += len(extra(fold))
    assert shown == (FOLDS - 1) * len(stack)
    assert len(select_persons(stack, set())) == 0


def test_views_have_the_labels_of_their_face(edited: Path, real: RealSamples) -> None:
    stack = read_view(real, edited / "edited" / "planted", [(7, REST), (7, RECONSTRUCTION)])
    assert [sample.condition for sample in stack.samples] == [real.samples[7].condition] * 2
    assert stack.labels.tolist() == [list(real.samples[7].label)] * 2
    assert len({sample.key for sample in stack.samples}) == 2


def test_every_view_is_of_the_persons_that_were_not_refused_and_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = draw_people(BALANCED, SCALE.test_persons, TEST_SEED)
    write_phantoms(tmp_path / TEST_SET, tested, size=16)
    for view, ideal in IDEAL.items():
        write_phantoms(tmp_path / DRAWN[ideal], redraw_with_smile(tested, TARGETS[view]), size=16)
    edit_faces(tmp_path / TEST_SET, tmp_path / "edited" / "test", Service(refuses={2}).client)
    asked: list[Samples] = []

    class Says:
        def predict(self, faces: Samples) -> Predictions:
            asked.append(faces)
            return Predictions(
                classes=faces.classes,
                keys=tuple(sample.key for sample in faces.samples),
                persons=tuple(sample.person for sample in faces.samples),
                truths=np.array([np.argmax(sample.label) for sample in faces.samples], dtype=np.int64),
                age_groups=tuple(sample.age_group for sample in faces.samples),
                probabilities=np.full((len(faces), 4), 0.25),
                undecided=np.zeros(len(faces), dtype=np.bool_),
            )

    monkeypatch.setattr(classifiers, "Ensemble", SimpleNamespace(open=lambda folder: Says()))
    found = predict_views(ARMS[0], tmp_path, 0)
    persons = [f"phantom-{one.identity:x}" for place, one in enumerate(tested) if place != 2]
    assert [list(of.persons) for of in found.values()] == [persons] * 6
    assert [int(asked[n].image(3)[0, 0, 0]) for n in range(len(MADE))] == [4, 164, 44]
    again = predict_views(ARMS[0], tmp_path, 0)
    assert len(asked) == len(found) == len(MADE) + len(DRAWN)
    assert [of.keys for of in again.values()] == [of.keys for of in found.values()]


PERSONS = 24


def views(shift: Mapping[str, float], seed: int = 0, noise: float = 0.02) -> Views:
    """Made-up probabilities of the truth: around 0.5, and in WS, every fourth person, the shift of each view more."""
    rng = np.random.default_rng(seed)
    truths = np.arange(PERSONS, dtype=np.int64) % len(CONDITIONS)
    own = rng.uniform(-0.1, 0.1, PERSONS)
    found = {}
    for view in (*MADE, *DRAWN):
        of_truth = 0.5 + own + shift.get(view, 0.0) * (truths == 0) + noise * rng.standard_normal(PERSONS)
        probabilities = np.repeat((1 - of_truth)[:, None] / 3, 4, axis=1)
        probabilities[np.arange(PERSONS), truths] = of_truth
        found[view] = Predictions(
            classes=CONDITIONS,
            keys=tuple(f"{view}{n}" for n in range(PERSONS)),
            persons=tuple(f"p{n}" for n in range(PERSONS)),
            truths=truths,
            age_groups=(None,) * PERSONS,
            probabilities=probabilities,
            undecided=np.zeros(PERSONS, dtype=np.bool_),
        )
    return found


SHIFT = {SMILE: 0.1, REST: -0.2, IDEAL[SMILE]: 0.15, IDEAL[REST]: -0.25}
RUNS = [views(SHIFT, seed) for seed in (0, 1, 2)]


def test_a_shift_is_found_where_it_is_and_nowhere_else() -> None:
    ws, *others = measure_effects(RUNS, TO_REST)
    assert (ws.condition, ws.change, ws.persons) == ("WS", "to rest", 6)
    assert ws.difference.value == pytest.approx(-0.2, abs=0.02)
    assert ws.after - ws.before == pytest.approx(ws.difference.value)
    assert ws.difference.low < ws.difference.value < ws.difference.high < 0
    assert ws.p == 2 / 2**6  # all six persons fall: one of all sign patterns, and its mirror image
    assert ws.p_holm == 4 * ws.p
    assert all(abs(row.difference.value) < 0.03 and row.p_holm > 0.05 for row in others)
    (both, *_), (ideal, *_) = measure_effects(RUNS, REST_TO_SMILE), measure_effects(RUNS, REST_TO_SMILE, drawn=True)
    assert both.difference.value == pytest.approx(0.3, abs=0.02)
    assert ideal.difference.value == pytest.approx(0.4, abs=0.02)


def test_the_same_picture_twice_is_no_effect() -> None:
    same = [{**run, SMILE: run[RECONSTRUCTION]} for run in RUNS]
    assert all(row.difference.value == 0 and row.p == row.p_holm == 1 for row in measure_effects(same, TO_SMILE))


def test_an_arm_is_compared_with_another_and_on_some_persons_alone() -> None:
    none = [views({}, seed) for seed in (0, 1, 2)]
    less, *_ = measure_effects(none, REST_TO_SMILE, less=RUNS)
    assert less.difference.value == pytest.approx(-0.3, abs=0.02)
    assert [less.before, less.after] == pytest.approx([0.3, 0.0], abs=0.02)
    few = measure_effects(RUNS, TO_REST, only={"p0", "p4", "p1"})
    assert [(row.condition, row.persons) for row in few] == [("WS", 2), ("22q11DS", 1)]


def test_other_persons_are_refused() -> None:
    smile = RUNS[0][SMILE]
    shuffled = replace(smile, persons=smile.persons[::-1])
    with pytest.raises(DatasetError, match="views are of different persons"):
        measure_effects([{**RUNS[0], SMILE: shuffled}], TO_SMILE)


@pytest.fixture(scope="module")
def said() -> dict[str, Sequence[EditAnswer]]:
    missed = {"verdict": "doubtful", "because": ["the smile is 0.33, asked for 0.20"], "smile_after": 0.33}
    test = [EditAnswer(None, GOOD, EDITED)] * 2 + [EditAnswer(None, GOOD, EDITED | {REST: missed})]
    return {TEST_SET: [*test, EditAnswer("photograph: no inversion of 3.5 converges")], PLANTED_SET: test}


def test_nothing_is_dropped_silently(said: dict[str, Sequence[EditAnswer]]) -> None:
    told = summarise_answers(said[TEST_SET])
    assert (told["faces"], told["good throughout"]) == (4, 2)
    assert told["refused"] == {"photograph: no inversion of … converges": 1}
    assert told[REST]["arrived"] == 2
    assert told[SMILE]["arrived"] == 3
    assert told[REST]["verdicts"] == {"good": 2, "doubtful": 1}
    assert told[REST]["because"] == {"the smile is …, asked for …": 1}


def test_the_table_and_the_plot(said: dict[str, Sequence[EditAnswer]]) -> None:
    none = [views({}, seed) for seed in (3, 4, 5)]
    runs = {arm.name: RUNS if n == 0 else none for n, arm in enumerate(ARMS)}
    found = collect_results(runs, {f"p{n}" for n in range(8)}, said)
    table = format_tables(found)
    lines = table.splitlines()
    effect = measure_effects(RUNS, TO_REST)[0]
    cells = [f"{effect.before:.3f}", f"{effect.after:.3f}", f"{effect.difference.value:+.3f} ("]
    assert any(line.startswith("| planted | WS | to rest | 6 | " + " | ".join(cells)) for line in lines)
    assert sum("| to a smile |" in line for line in lines) == len(ARMS) * len(CONDITIONS)
    assert "| test | 4 | 1 | to rest, 0.2 | 2 of 3 (67%) |" in table
    assert "refused, photograph: no inversion of … converges: 1" in table
    assert all(f"| {name} | {before:.3f} | {after:.3f} |" in table for name, (before, after) in PATEL.items())
    for head, rule in ((n, line) for n, line in enumerate(lines) if line.startswith("| ---")):
        assert lines[head - 1].count("|") == rule.count("|") == lines[head + 1].count("|")
    assert plot_effects(found).startswith(b"\x89PNG")
    assert found.accuracy["planted"][PHOTOGRAPH] == 1


def test_an_experiment_goes_on_with_its_own_settings(tmp_path: Path) -> None:
    assert ExpressionPlan.read(tmp_path) is None
    other = ExpressionPlan(SCALE, replace(ExpressionPlan.of(SCALE).training, learning_rate=0.5))
    other.write(tmp_path)
    assert ExpressionPlan.read(tmp_path) == other
    assert (other.training.epochs, other.training.images_per_epoch, other.training.patience) == (1, 20, None)


def test_a_folder_of_another_scale_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ExpressionPlan.of(SCALE).write(tmp_path)
    monkeypatch.setattr("sys.argv", ["expression", "--out", str(tmp_path), "--quick"])
    with pytest.raises(SystemExit, match=r"error: .* holds an experiment of .*give another --out"):
        run_app(command.app)
    monkeypatch.setattr("sys.argv", ["expression", "--out", str(tmp_path / "plan.json")])
    with pytest.raises(SystemExit, match="cannot be the folder of an experiment"):
        run_app(command.app)
