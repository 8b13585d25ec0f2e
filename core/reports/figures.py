"""Figures of matplotlib as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def encode_figure(figure: Figure) -> bytes:
    """Encode a figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


@contextmanager
def show_data_as_text() -> Iterator[None]:
    """Show names with dollar signs as they are, not as formulas; serves as a decorator of functions that plot."""
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):
        yield


def hide_spines(axis: Axes) -> None:
    """Hide the lines at the top and the right of a plot."""
    axis.spines[["top", "right"]].set_visible(False)
