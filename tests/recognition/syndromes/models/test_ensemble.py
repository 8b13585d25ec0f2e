from __future__ import annotations

import numpy as np

from recognition.syndromes.models.ensemble import MEMBERS, Ensemble
from recognition.syndromes.models.registry import MODELS
from tests.recognition.syndromes.models.faces import LAYOUT, draw_faces


def test_an_ensemble_is_the_mean_probability_and_the_vote_of_its_members() -> None:
    X, y = draw_faces(24)
    unseen, _ = draw_faces(12, seed=1)
    members = [MODELS[name](LAYOUT, 0).fit(X, y) for name in MEMBERS]
    ensemble = Ensemble(LAYOUT).fit(X, y)
    mean = np.mean([member.predict_proba(unseen)[:, 1] for member in members], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(unseen)[:, 1], mean)
    most = np.sum([member.predict(unseen) for member in members], axis=0) >= 2
    np.testing.assert_array_equal(ensemble.predict(unseen), most)
