"""Random forest over the distances between the points of each half of a face."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.face_points import Ints, name_regions
from recognition.syndromes.features.layout import LANDMARKS, POINTS, Layout
from recognition.syndromes.models.estimator import REASONS, Estimator, Floats, Matrix, Predictor
from recognition.syndromes.models.point_distances import list_pairs, measure_all, measure_pairs
from recognition.syndromes.models.reasons import Reason, rank_reasons

MOST_IMPORTANT: Final = 30
SHARE_OF_IMPORTANCE: Final = 0.8
"""The most important distances are listed until they have this share of the importance, or are so many, as in the
thesis."""

_LEAF: Final = -1


@dataclass(frozen=True)
class ImportantDistance:
    """Distance that the forest goes by.

    Attributes:
        pairs: numbers of the two points, and of their mirror images where these are others.
        importance: Gini importance, summed over both halves; that of all distances is 1.
        name: the regions of the points.
    """

    pairs: tuple[tuple[int, int], ...]
    importance: float
    name: str


@dataclass(frozen=True)
class DistanceForestPredictor(Predictor):
    """Fitted `DistanceForest`. The nodes of all trees are in one array.

    Attributes:
        pairs: (k, 2) points of the distances that the trees use.
        mirrored: (k,) number of the pair among those of one half, equal for both mirror images.
        importances: (k,) Gini importance.
        usual: (k,) mean distance of the controls.
        roots: (t,) first node of each tree.
        children: (nodes, 2) next node where the distance is at most the threshold, and where it is larger; -1 for a
            leaf.
        feature: (nodes,) number of the pair.
        threshold: (nodes,).
        share: (nodes,) share of patients among the training faces of the node.
        points: (m, 3) mean of the training faces.
        landmarks: (68, 2) mean of the training faces.
    """

    pairs: Ints
    mirrored: Ints
    importances: Floats
    usual: Floats
    roots: Ints
    children: Ints
    feature: Ints
    threshold: Floats
    share: Floats
    points: Matrix
    landmarks: Matrix

    def predict_patients(self, X: Matrix) -> Floats:
        distances = self.measure(X)
        nodes = np.tile(self.roots, (len(X), 1))
        while (inner := self.children[nodes, 0] != _LEAF).any():
            nodes = np.where(inner, self._next(nodes, distances), nodes)
        # Summed in the order of the trees, as scikit-learn does, so that the result is the same to the last bit.
        patients: Floats = np.cumsum(self.share[nodes], axis=1)[:, -1] / len(self.roots)
        return patients

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        """Return the distances that moved the answer: how the share of patients changed at each split on the way to
        the leaves (Saabas), mean over the trees. Over all distances they add up to the probability minus that of the
        roots."""
        distances = self.measure(x[None])
        changes: dict[tuple[int, ...], float] = defaultdict(float)
        nodes = self.roots[self.children[self.roots, 0] != _LEAF]
        while len(nodes):
            following = self._next(nodes[None], distances)[0]
            for pair, change in zip(self.feature[nodes], self.share[following] - self.share[nodes], strict=True):
                changes[tuple(self.pairs[pair].tolist())] += float(change) / len(self.roots)
            nodes = following[self.children[following, 0] != _LEAF]
        ranked = rank_reasons((Reason("distance", "", change, pair) for pair, change in changes.items()), REASONS)
        regions = name_regions(self.points, self.landmarks)
        place = {tuple(pair): number for number, pair in enumerate(self.pairs.tolist())}
        return tuple(
            Reason(
                "distance",
                f"{_name(reason.points, regions)}: {distances[0, place[reason.points]]:.2f} eye distances, "
                f"{self.usual[place[reason.points]]:.2f} in controls",
                reason.weight,
                reason.points,
            )
            for reason in ranked
        )

    def measure(self, X: Matrix) -> Matrix:
        """Measure the distances (n, k) that the trees use."""
        return measure_pairs(X[:, self.layout[POINTS]].reshape(len(X), -1, 3), self.pairs)

    def list_important(self) -> tuple[ImportantDistance, ...]:
        """List the most important distances, the most important first."""
        by_mirror: dict[int, list[int]] = defaultdict(list)
        for number, mirrored in enumerate(self.mirrored.tolist()):
            by_mirror[mirrored].append(number)
        regions = name_regions(self.points, self.landmarks)
        both = list_pairs(len(self.points)).reshape(2, -1, 2)
        distances = []
        for place, numbers in by_mirror.items():
            pairs = tuple(dict.fromkeys((int(i), int(j)) for i, j in both[:, place]))
            distances.append(ImportantDistance(pairs, float(self.importances[numbers].sum()), _name(pairs[0], regions)))
        distances.sort(key=lambda distance: (-distance.importance, distance.pairs))
        total = np.cumsum([distance.importance for distance in distances])
        count = min(int(np.searchsorted(total, SHARE_OF_IMPORTANCE)) + 1, MOST_IMPORTANT)
        return tuple(distances[:count])

    def _next(self, nodes: Ints, distances: Matrix) -> Ints:
        """Return the next nodes (n, t); those of leaves mean nothing."""
        values = np.take_along_axis(distances, self.feature[nodes], axis=1)
        larger = values > self.threshold[nodes]
        return self.children[nodes, larger.astype(np.int64)]


@dataclass(eq=False)
class DistanceForest(Estimator):
    """Random forest over all distances of the left and of the right half of the face, in eye distances.

    The 510 points of a head have 72,630. The thesis does not state the number of trees.

    Attributes:
        trees: number of trees.
    """

    trees: int = 100

    BLOCKS: ClassVar[tuple[str, ...]] = (POINTS, LANDMARKS)

    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> DistanceForestPredictor:
        points = X[:, self.layout[POINTS]].reshape(len(X), -1, 3)
        distances = measure_all(points)
        forest = fit_forest(distances, patients, self.trees, self.seed)
        return read_forest(forest, self.layout, X, distances[~patients])


def fit_forest(distances: Matrix, patients: npt.NDArray[np.bool_], trees: int, seed: int) -> Any:
    """Fit scikit-learn's random forest with its usual settings, in one thread."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=seed, n_jobs=1).fit(distances, patients)


def read_forest(forest: Any, layout: Layout, X: Matrix, controls: Matrix) -> DistanceForestPredictor:
    """Read the trees of a forest of scikit-learn.

    Args:
        X: training faces (n, layout.width).
        controls: all distances of the controls among them.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    children = [
        np.column_stack([tree.children_left, tree.children_right]) + root * (tree.children_left != _LEAF)[:, None]
        for tree, root in zip(trees, roots, strict=True)
    ]
    column = np.concatenate([tree.feature for tree in trees])
    used, place = np.unique(column[column >= 0], return_inverse=True)
    feature = np.zeros(len(column), np.int64)
    feature[column >= 0] = place
    importances = np.mean([_measure_importance(tree, used) for tree in trees], axis=0)
    points = X[:, layout[POINTS]].mean(axis=0, dtype=np.float64).reshape(-1, 3)
    pairs = list_pairs(len(points))
    return DistanceForestPredictor(
        layout,
        pairs=pairs[used],
        mirrored=used % (len(pairs) // 2),
        importances=importances / max(importances.sum(), 1e-12),
        usual=controls[:, used].mean(axis=0, dtype=np.float64),
        roots=roots,
        children=np.concatenate(children).astype(np.int64),
        feature=feature,
        threshold=np.concatenate([tree.threshold for tree in trees]),
        share=np.concatenate([tree.value[:, 0, 1] for tree in trees]),
        points=points.astype(np.float32),
        landmarks=X[:, layout[LANDMARKS]].mean(axis=0, dtype=np.float64).reshape(68, 2).astype(np.float32),
    )


def _measure_importance(tree: Any, used: Ints) -> Floats:
    """Measure the Gini importances of the distances `used` in one tree, as scikit-learn does for all columns."""
    inner = np.flatnonzero(tree.feature >= 0)
    weighted = tree.weighted_n_node_samples * tree.impurity
    decrease = weighted[inner] - weighted[tree.children_left[inner]] - weighted[tree.children_right[inner]]
    importances = np.zeros(len(used))
    np.add.at(importances, np.searchsorted(used, tree.feature[inner]), decrease)
    importances /= max(float(importances.sum()), 1e-12)
    return importances


def _name(pair: tuple[int, ...], regions: list[str]) -> str:
    return " – ".join(regions[point] for point in pair)
