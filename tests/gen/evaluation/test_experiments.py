"""Evaluation, on images whose pixels tell what was asked for: a perfect generator and a perfect reader, then worse."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from core.errors import ConfigError
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels
from faces.labels import AgeGroup
from faces.measures.distances import moments
from faces.oracle.attribute_network import Oracle, OracleConfig, Reading
from gen.config import GeneratorConfig
from gen.evaluation import experiments
from gen.evaluation.experiments import (
    EVALUATION_SEED,
    TUNING_SEED,
    Experiment,
    ReadableLabels,
    balanced_rows,
    find_requested_cells,
    images_to_make,
    is_balanced,
    measure_distances,
    number_cells,
    people_for,
    quick_frechet,
    rows_like,
)
from gen.imagesets import Row
from gen.labels import Vocabulary
from gen.networks import Generator
from tests.gen.fixtures import generator_32

V = Vocabulary()
MIDDLES = torch.tensor([1.0, 6.0, 15.0, 27.0, 60.0])


class Told:
    """Stands for the sampler: an image is its label, 1/200 a grey level, and the hash of its seed."""

    def __init__(self, change: Callable[[Row], Row] = lambda row: row) -> None:
        self.change = change

    def __call__(self, generator: Generator, **_: object) -> Told:
        return self

    def render(self, rows: Sequence[Row], request: ImageSetRequest) -> Pixels:
        images = np.zeros((len(rows), 4, 4, 3), dtype=np.uint8)
        for image, row in zip(images, map(self.change, rows), strict=True):
            image.reshape(-1)[: V.c_dim] = np.round(200 * np.array(row.c))
            image.reshape(-1)[-18:] = np.frombuffer(
                hashlib.sha256(str(row.seed).encode()).digest()[:18], dtype=np.uint8
            )
        return images


class Reader(Oracle):
    """Reads such images without error."""

    def read_pixels(self, images: Pixels) -> Reading:
        flat = torch.from_numpy(images).flatten(1).double()
        condition, age = flat[:, :4] / 200, flat[:, 4:9] / 200
        return Reading(
            torch.log(condition + 1e-9),
            torch.log(age + 1e-9),
            (age * MIDDLES).sum(dim=1),
            torch.zeros(len(images)),
            flat[:, -18:] / 74 - 1.72,  # a uniform byte, standardised
            flat,
        )


@pytest.fixture
def net() -> Generator:
    return Generator(GeneratorConfig(8, 4, 4, 1, channel_base=8, channel_max=4, vocabulary=V))


@pytest.fixture
def reader() -> Oracle:
    return Reader(OracleConfig(widths=(1, 1, 1, 1), features=2)).eval()


def experiment(net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch, told: Told | None = None) -> Experiment:
    monkeypatch.setattr(experiments, "Sampler", told or Told())
    return Experiment(net, reader, ReadableLabels.of(V, reader.config, phantoms=True), truncation=0.6)


def relabelled(row: Row, change: Callable[[Tensor], Tensor]) -> Row:
    return replace(row, c=tuple(change(torch.tensor(row.c)).tolist()))


def test_a_perfect_generator_has_perfect_figures(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(net, reader, monkeypatch)
    request = exp.request("unrelated")
    rows = balanced_rows(request, V, 60)
    found = exp.measure_labels(rows, reader.read_pixels(exp.render(rows, request)))
    assert found.condition is not None
    assert found.age_group is not None
    assert found.condition.overall == found.age_group.overall == 1
    np.testing.assert_allclose([middle for _, middle, _ in found.years], MIDDLES)
    progressions = exp.measure_progressions(3, steady=[0, 1, 2, 3, 4, 5])
    assert progressions.people == 12
    assert progressions.order is not None
    assert progressions.order.correlation == 1
    assert progressions.drift is not None
    assert progressions.drift.within == pytest.approx(0, abs=1e-9)
    assert progressions.drift.between == pytest.approx(1, rel=0.3)
    blends = exp.measure_blends(1)
    assert blends is not None
    assert blends.people == 12 * 5
    assert blends.response.rising == blends.response.strictly_rising == 1
    np.testing.assert_allclose(blends.response.probability, (0, 0.25, 0.5, 0.75, 1), atol=1e-6)


def test_a_generator_that_mistakes_one_condition(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_for_last(c: Tensor) -> Tensor:
        return torch.tensor([1.0, 0, 0, 0, *c[4:]]) if c[3] == 1 else c

    exp = experiment(net, reader, monkeypatch, Told(lambda row: relabelled(row, first_for_last)))
    request = exp.request("unrelated")
    rows = balanced_rows(request, V, 40)
    found = exp.measure_labels(rows, reader.read_pixels(exp.render(rows, request))).condition
    assert found is not None
    assert found.overall == 0.75
    assert found.by_class == (1, 1, 1, 0)
    assert found.confusion[3] == (10, 0, 0, 0)


def test_a_generator_that_ages_backwards_or_not_at_all(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change, expected in ((lambda c: torch.cat([c[:4], c[4:].flip(0)]), -1), (lambda c: V.encode("WS", "child"), 0)):
        exp = experiment(net, reader, monkeypatch, Told(lambda row, change=change: relabelled(row, change)))
        order = exp.measure_progressions(2).order
        assert order is not None
        assert order.correlation == expected


def test_a_generator_whose_people_change_with_age(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(net, reader, monkeypatch, Told(lambda row: replace(row, seed=row.seed ^ (row.step or 0))))
    drift = exp.measure_progressions(10, steady=[*range(18)]).drift
    assert drift is not None
    assert drift.ratio > 1.5  # another person at every step: √5 by chance


def test_a_generator_that_ignores_blends(net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    exp = experiment(net, reader, monkeypatch, Told(lambda row: relabelled(row, lambda c: V.encode("WS", "child"))))
    blends = exp.measure_blends(1)
    assert blends is not None
    assert blends.response.rising == 0


def test_what_an_oracle_cannot_read_is_left_out_and_says_why(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = reader.config
    assert ReadableLabels.of(V, config, phantoms=True) == ReadableLabels(None, None)
    assert "photographs" in (ReadableLabels.of(V, config, phantoms=False).ages or "")
    one = ReadableLabels.of(Vocabulary(("unaffected",)), config, phantoms=True)
    assert one == ReadableLabels("there is one condition only", None)
    strange = ReadableLabels.of(
        Vocabulary(("WS", "XY"), (AgeGroup("young", 0, 9), AgeGroup("old", 9, 90))), config, phantoms=True
    )
    assert strange.conditions == "the oracle does not know XY"
    assert "young, old" in (strange.ages or "")
    monkeypatch.setattr(experiments, "Sampler", Told())
    blind = Experiment(net, reader, ReadableLabels("no", "no"), truncation=1.0)
    rows = balanced_rows(blind.request("unrelated"), V, 20)
    labelled = blind.measure_labels(rows, reader.read_pixels(blind.render(rows, blind.request("unrelated"))))
    assert (labelled.condition, labelled.age_group, labelled.years) == (None, None, ())
    assert blind.measure_blends(1) is None
    assert blind.measure_progressions(2) == experiments.Progressions(8, None, None, None)


def test_rows_are_balanced_and_their_seeds_are_of_their_own_space() -> None:
    request = ImageSetRequest("unrelated", V.conditions, seed=EVALUATION_SEED)
    rows = balanced_rows(request, V, 45)
    assert len(rows) == 45
    counts = Counter((row.condition, row.age_group) for row in rows)
    assert set(counts.values()) == {2, 3}
    assert len({row.seed for row in rows}) == 45
    tuning = balanced_rows(replace(request, seed=TUNING_SEED), V, 45)
    assert not {row.seed for row in rows} & {row.seed for row in tuning}
    conditions, ages = find_requested_cells(rows, V)
    assert [V.conditions[place] for place in conditions] == [row.condition for row in rows]
    assert [V.age_names[place] for place in ages] == [row.age_group for row in rows]


def test_rows_like_the_data_take_its_labels_mixtures_included() -> None:
    labels = np.stack([V.encode("WS").numpy(), V.encode("unaffected", "child").numpy()])
    request = ImageSetRequest("unrelated", V.conditions, seed=3)
    rows = rows_like(labels, request, V, 200)
    shares = Counter(row.c for row in rows)
    assert set(shares) == {tuple(label.tolist()) for label in labels}
    assert min(shares.values()) > 70
    with pytest.raises(ConfigError, match=r"labels are \(2, 8\); expected \(n, 9\)"):
        rows_like(labels[:, :8], request, V, 5)


def test_balance_and_cells_of_labels() -> None:
    every = np.stack([V.encode(c, a).numpy() for c in V.conditions for a in V.age_names])
    assert is_balanced(every, V)
    assert not is_balanced(np.concatenate([every, every[:1]]), V)
    unknown = np.stack([V.encode("WS").numpy()])
    assert not is_balanced(unknown, V)
    assert number_cells(np.concatenate([every, unknown]), V).tolist() == [*range(20), -1]
    assert experiments.cell_names(V)[6] == "22q11DS, child"


def test_progress_adds_up_to_what_was_announced(
    net: Generator, reader: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(experiments, "Sampler", Told())
    readable = ReadableLabels.of(V, reader.config, phantoms=True)
    exp = Experiment(net, reader, readable, truncation=1, on_progress=made.append)
    request = exp.request("unrelated")
    exp.render(balanced_rows(request, V, 70), request)
    exp.measure_progressions(people_for(V, 70))
    exp.measure_blends(experiments.blends_for(V, 70))
    assert sum(made) == images_to_make(V, readable, 70, as_data=False)


def test_distances_leave_images_without_features_out() -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((300, 4)), rng.standard_normal((100, 4))
    with_gaps = np.concatenate([generated, np.full((7, 4), np.nan)])
    found = measure_distances(with_gaps, real)
    assert found == measure_distances(generated, real)
    assert (found.generated, found.real) == (100, 300)
    assert found.variety == pytest.approx(1, abs=0.1)
    assert found.frechet_floor is not None
    assert found.frechet < 5 * found.frechet_floor
    halved = measure_distances(0.5 * generated, real)
    assert halved.variety == pytest.approx(found.variety / 2)
    assert halved.frechet > 3 * found.frechet
    assert halved.recall < found.recall
    assert measure_distances(generated, real[:150]).frechet_floor is None


def test_quick_frechet_knows_its_own_images_and_repeats_itself() -> None:
    net = generator_32()

    def corner(images: Pixels) -> np.ndarray:
        return images[:, ::16, ::16].reshape(len(images), -1).astype(np.float64)

    rows = balanced_rows(ImageSetRequest("unrelated", V.conditions, seed=8, truncation=1.0), V, 40)
    own = experiments.Sampler(net).render(rows, ImageSetRequest("unrelated", V.conditions, seed=8, truncation=1.0))
    real = moments(corner(own))
    first = quick_frechet(net, real, corner, n=40)
    assert first == quick_frechet(net, real, corner, n=40)
    assert quick_frechet(net, real, corner, n=40, seed=8) == pytest.approx(0, abs=1e-6)
    assert first > 1
    assert quick_frechet(net, moments(corner(255 - own)), corner, n=40, seed=8) > 3 * first
    everyone = np.stack([V.encode("WS", "infant").numpy()])
    assert quick_frechet(net, real, corner, n=40, seed=8, labels=everyone) > 1


def test_a_generator_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no vocabulary"):
        experiments.require_vocabulary(Generator(GeneratorConfig(8, 4, 4, 1, channel_base=8, channel_max=4)))
