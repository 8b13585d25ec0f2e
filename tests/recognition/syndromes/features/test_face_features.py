from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import Layout


def features_of(*rows: tuple[float, float, float]) -> FaceFeatures:
    layout = Layout((("descriptor", 2), ("points", 1)))
    return FaceFeatures(tuple("abc"[: len(rows)]), np.array(rows, np.float32), layout, {"b": "no head"})


def test_blocks_are_found_by_name_and_faces_by_what_they_lack() -> None:
    features = features_of((1, 2, 3), (4, 5, np.nan))
    np.testing.assert_array_equal(features.block("descriptor"), [[1, 2], [4, 5]])
    np.testing.assert_array_equal(features.complete(["descriptor", "points"]), [True, False])
    np.testing.assert_array_equal(features.complete(["descriptor"]), [True, True])
    assert features.take([1]).gaps == {"b": "no head"}
    assert features.take(features.complete(["points"])).gaps == {}
    with pytest.raises(ConfigError):
        features.block("terms")


def test_terms_become_columns_and_follow_the_layout_of_a_model() -> None:
    trained = features_of((1, 2, 3)).with_terms([["HP:0000286", "HP:0000400"]])
    other = features_of((1, 2, 3), (4, 5, 6)).with_terms([["HP:0000400", "HP:0000508"], []])
    np.testing.assert_array_equal(other.block("terms"), [[1, 1], [0, 0]])
    arranged = other.arrange(trained.layout)
    np.testing.assert_array_equal(arranged.block("terms"), [[0, 1], [0, 0]])
    np.testing.assert_array_equal(features_of((1, 2, 3)).arrange(trained.layout).block("terms"), [[0, 0]])


def test_features_of_another_layout_are_refused() -> None:
    features = features_of((1, 2, 3))
    for blocks in ((("descriptor", 3),), (("appearance", 1),)):
        with pytest.raises(ConfigError):
            features.arrange(Layout(blocks))
    for blocks in ((("points", 1), ("points", 2)), (("terms", 2),)):
        with pytest.raises(ConfigError):
            Layout(blocks)
