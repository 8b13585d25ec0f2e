"""Sheets that show how far a training is: always the same people, drawn by the running average."""

from __future__ import annotations

from core.errors import ConfigError
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from gen.imagesets import ImageSetRequest, expand
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.precision import Precision
from gen.sampler import Sampler

FOOTER = "Synthetic images, no basis for a diagnosis."


def progression_sheet(generator: Generator, persons: int = 2, precision: Precision = "float32") -> Pixels:
    """Contact sheet, uint8 (h, w, 3): age progressions of the same few people in every condition."""
    seeds = tuple(range(persons))
    request = ImageSetRequest("age_progression", _vocabulary(generator).conditions, seeds=seeds, precision=precision)
    return _sheet(generator, request, persons)


def cells_sheet(generator: Generator, persons: int = 3, precision: Precision = "float32") -> Pixels:
    """Contact sheet, uint8 (h, w, 3): for each condition and age group people of its own, without truncation."""
    vocabulary = _vocabulary(generator)
    seeds = tuple(range(persons * len(vocabulary.conditions) * len(vocabulary.ages)))
    request = ImageSetRequest("unrelated", vocabulary.conditions, seeds=seeds, truncation=1.0, precision=precision)
    return _sheet(generator, request, persons)


def _sheet(generator: Generator, request: ImageSetRequest, persons: int) -> Pixels:
    """A line for each condition and person, a column for each age group."""
    vocabulary = _vocabulary(generator)
    rows = expand(request, vocabulary, {})
    images = Sampler(generator, precision=request.precision).render(rows, request)
    tiles: dict[tuple[str, str], list[Pixels]] = {}
    for row, image in zip(rows, images, strict=True):
        tiles.setdefault((row.condition, row.age_group), []).append(image)
    lines = [(condition, person) for condition in vocabulary.conditions for person in range(persons)]
    return contact_sheet(
        [[tiles[condition, age][person] for age in vocabulary.age_names] for condition, person in lines],
        row_titles=[condition for condition, _ in lines],
        column_titles=list(vocabulary.age_names),
        footer=FOOTER,
    )


def _vocabulary(generator: Generator) -> Vocabulary:
    if generator.config.vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected a conditional one")
    return generator.config.vocabulary
