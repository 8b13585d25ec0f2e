"""Features of several faces: a matrix with named blocks of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from recognition.syndromes.features.layout import TERMS, Layout

Matrix: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FaceFeatures:
    """Features of n faces.

    Attributes:
        files: name of the picture of each face.
        X: (n, layout.width) float32. A block that could not be computed for a face holds NaN in its row.
        layout: blocks of the columns.
        gaps: for each file with such a block, the reason.
        computation: name of the computation; empty if the features are not those of pictures.
    """

    files: tuple[str, ...]
    X: Matrix
    layout: Layout
    gaps: Mapping[str, str] = field(default_factory=dict)
    computation: str = ""

    def __post_init__(self) -> None:
        if self.X.shape != (len(self.files), self.layout.width):
            raise ConfigError(f"features are {self.X.shape}; expected {(len(self.files), self.layout.width)}")

    def __len__(self) -> int:
        return len(self.files)

    def block(self, name: str) -> Matrix:
        """Return the columns of one block; ConfigError if there is none of this name."""
        return self.X[:, self.layout[name]]

    def take(self, rows: Sequence[int] | npt.NDArray[Any]) -> FaceFeatures:
        """Return the features of some faces, by their numbers or by a mask."""
        rows = np.arange(len(self))[np.asarray(rows)]
        files = tuple(self.files[row] for row in rows)
        return replace(self, files=files, X=self.X[rows], gaps={f: self.gaps[f] for f in files if f in self.gaps})

    def complete(self, blocks: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Return for each face whether all of these blocks are known, (n,)."""
        known = np.ones(len(self), dtype=bool)
        for name in blocks:
            known &= np.isfinite(self.block(name)).all(axis=1)
        return known

    def with_block(self, name: str, values: npt.NDArray[Any], terms: tuple[str, ...] = ()) -> FaceFeatures:
        """Return the features with one more block, (n, width); `terms` names the columns of the block "terms"."""
        layout = Layout((*self.layout.blocks, (name, values.shape[1])), terms or self.layout.terms)
        return replace(self, X=np.hstack([self.X, values.astype(np.float32)]), layout=layout)

    def with_terms(self, terms: Sequence[Iterable[str]]) -> FaceFeatures:
        """Return the features with the block "terms": 1 in the columns of the terms of a face, 0 elsewhere.

        Args:
            terms: ids of HPO terms of each face; none for a face whose terms are not known. All that occur are columns.
        """
        sets = [frozenset(ids) for ids in terms]
        columns = tuple(sorted(frozenset().union(*sets)))
        if not columns:
            return self
        values = np.array([[term in ids for term in columns] for ids in sets], dtype=np.float32)
        return self.with_block(TERMS, values.reshape(len(self), len(columns)), columns)

    def arrange(self, layout: Layout) -> FaceFeatures:
        """Return the blocks of another layout, in its order, as a model that was trained on it takes them.

        Terms that the other layout does not have are left out, and those that these features do not have are 0.

        Raises:
            ConfigError: a block that these features do not have, or of another width.
        """
        columns = []
        for name, width in layout.blocks:
            values = _arrange_terms(self, layout.terms) if name == TERMS else self.block(name)
            if values.shape[1] != width:
                raise ConfigError(
                    f"the block {name!r} has {values.shape[1]} columns; the model was trained on {width}: extract the "
                    "features with the settings of its training"
                )
            columns.append(values)
        return replace(self, X=np.hstack(columns), layout=layout)


def _arrange_terms(features: FaceFeatures, terms: tuple[str, ...]) -> Matrix:
    values = np.zeros((len(features), len(terms)), np.float32)
    for column, term in enumerate(features.layout.terms):
        if term in terms:
            values[:, terms.index(term)] = features.block(TERMS)[:, column]
    return values
