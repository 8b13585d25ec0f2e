from __future__ import annotations

from studies.gaze.area_comparison import compare_areas
from studies.gaze.dwell_times import AreaView
from tests.studies.gaze.example_study import make_study


def test_measures_without_any_variation_are_compared() -> None:
    """The counts of fixations differ between the variants alone, those of the times not at all."""
    key, _ = make_study()
    views = [
        AreaView(f"{image.version}{person}", code, "mouth", 10, 1 + (image.variant == "edited"), 5, 0.5)
        for code, image in key.items()
        for person in range(3)
    ]
    ps = {row.measure: row.p_published for row in compare_areas(views, key, 0) if not row.condition}
    assert ps == {"dwell_ms": 1, "share": 1, "fixations": 0, "first_ms": 1}
