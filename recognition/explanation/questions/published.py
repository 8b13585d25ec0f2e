"""Figures of Sümer et al. 2023 that a report sets beside its own. They are of photographs of patients.

The code of the study writes the counts of Angelman syndrome into the column of Kabuki syndrome, whose own counts are
therefore not known. It counts 14 methods, all but Grad-CAM. Its regions are boxes around eyes, nose and mouth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    "22q11DS": {"eyes": 11, "nose": 9, "mouth": 3},
    "Angelman": {"eyes": 2, "nose": 4, "mouth": 8},
    "Noonan": {"eyes": 9, "nose": 4, "mouth": 6},
    "WS": {"eyes": 9, "nose": 9, "mouth": 11},
}

COUNTED_METHODS: Final = 14
"""Methods of Table 3."""

_REGIONS: Final = ("eyes", "nose", "mouth")

_CORRELATIONS: Final = """
gradient .145 .042 .078 .061 .335 .193
smoothgrad .043 .149 .034 .070 .486 .136
integrated_gradients -.039 .145 .023 .040 .425 .161
guided_backprop .055 .091 -.046 .065 .331 .112
excitation_backprop .022 .203 -.006 .072 .345 .078
deconvnet -.101 .065 -.033 .090 -.414 .096
lrp_epsilon_z_plus -.007 .055 -.015 .061 .403 .076
lrp_epsilon_z_plus_flat .050 .079 -.011 .088 .422 .091
lrp_epsilon_alpha2_beta1 .060 .151 .017 .148 .380 .091
lrp_epsilon_alpha2_beta1_flat -.014 .124 -.008 .153 .429 .086
deeplift .162 .119 .049 .063 .512 .097
guided_gradcam .332 .129 .074 .121 .449 .123
layer_deeplift .087 .120 .016 .136 .410 .213
gradcam .441 .085 .259 .215 .530 .137
occlusion .111 .125 -.145 .117 .512 .090
"""
"""Mean and deviation for each of _REGIONS by method."""


def find_count(condition: str, region: str) -> int | None:
    """Find the number of methods whose relevance of a region differs from that of unaffected faces (Table 3)."""
    return _COUNTS.get(condition, {}).get(region)


def find_correlation(region: str, method: str) -> tuple[float, float] | None:
    """Find mean and standard deviation, over five folds, of the correlation with the terms of a region (Table 4)."""
    for line in _CORRELATIONS.strip().splitlines():
        name, *numbers = line.split()
        if name == method and region in _REGIONS:
            place = 2 * _REGIONS.index(region)
            return float(numbers[place]), float(numbers[place + 1])
    return None
