from __future__ import annotations

import numpy as np
import pytest
import torch

from recognition.syndromes.models import pointnet_training
from recognition.syndromes.models.pointnet import PointNet, TunedPointNet
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


def test_the_predictor_computes_what_the_network_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = []
    settle = pointnet_training.settle_batch_norms
    monkeypatch.setattr(
        pointnet_training, "settle_batch_norms", lambda *given: networks.append(settle(*given)) or networks[-1]
    )
    X, y = draw_faces(20)
    model = PointNet(LAYOUT).fit(X, y)
    points = torch.from_numpy(X[:, LAYOUT["points"]].reshape(20, 68, 3))
    with torch.inference_mode():
        patients = torch.sigmoid(networks[0](points)).numpy()
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], patients, atol=1e-5)


def test_the_order_of_the_points_does_not_matter() -> None:
    X, y = draw_faces(20)
    predictor = PointNet(LAYOUT).fit(X, y).predictor_
    shuffled = X.copy()
    points = X[:, LAYOUT["points"]].reshape(20, 68, 3)
    shuffled[:, LAYOUT["points"]] = points[:, np.random.default_rng(0).permutation(68)].reshape(20, -1)
    np.testing.assert_allclose(predictor.predict_patients(shuffled), predictor.predict_patients(X), atol=1e-6)


def test_the_inner_folds_choose_more_epochs_where_few_are_not_enough() -> None:
    X, y = draw_faces(32, strength=2)
    tuned = TunedPointNet(LAYOUT, epochs=(1, 20), rates=(1e-3,), most_points=68).fit(X, y)
    longer = PointNet(LAYOUT, epochs=20).fit(X, y)
    np.testing.assert_array_equal(tuned.predict_proba(X), longer.predict_proba(X))


def test_reasons_are_regions() -> None:
    X, y = draw_faces(20)
    reasons = PointNet(LAYOUT).fit(X, y).explain(X[0])
    assert {reason.name for reason in reasons} <= {"forehead", "cheeks", "chin", "mouth", "eyes", "nose", "brows"}
