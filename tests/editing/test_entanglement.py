from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CheckpointError, DirectionError
from editing import direction_file
from editing.direction_file import Directions
from editing.entanglement import choose_layers, measure_entanglement, measure_person_distance
from editing.face_readers import AGE, SMILE
from gen.checkpoint import fingerprint
from tests.editing import bright
from tests.inversion.tiny import shared_generator, tiny_generator, tiny_inverter


def test_every_attribute_is_read_along_every_direction() -> None:
    seen: list[int] = []
    people = bright.latents()[:20]
    (moves,) = measure_entanglement(shared_generator(), people, [bright.brightness()], bright.read, seen.append)
    assert sum(seen) == 60
    assert moves.by == bright.brightness().spread
    assert set(moves.slopes) == {SMILE, AGE}
    on, back = (bright.read(bright.render_all(bright.brightness().move(people, sign * moves.by))) for sign in (1, -1))
    assert moves.slopes[SMILE] == pytest.approx(((on.smile - back.smile) / 2).mean(), abs=1e-6)
    assert moves.slopes[SMILE] > 0.05


def test_people_that_cannot_be_read_do_not_count() -> None:
    assert measure_person_distance(np.array([[0.0, 0], [3, 4], [np.nan, np.nan]])) == 5


def test_layers_are_chosen_in_which_the_direction_acts() -> None:
    people, direction, num_ws = bright.latents()[:4], bright.brightness(), shared_generator().config.num_ws
    later = direction.vector.expand(num_ws, -1).clone()
    later[0] = 0  # does nothing in the first layer
    moving = replace(direction, pattern=later)
    layers = choose_layers(shared_generator(), people, moving, bright.read, bright.editor().apart)
    assert set(layers) <= set(range(1, num_ws))
    assert layers
    opposite = replace(direction, pattern=-later)
    assert choose_layers(shared_generator(), people, opposite, bright.read, bright.editor().apart) != layers


def test_directions_come_back_from_their_file(tmp_path: Path) -> None:
    direction, region = bright.brightness(), bright.editor().region
    kept = {"age": torch.arange(16.0)[None]}
    moving = replace(direction.with_pattern(kept["age"][0], bright.latents()), layers=(1, 3))
    table = measure_entanglement(shared_generator(), bright.latents()[:4], [direction], bright.read)
    made = Directions(
        fingerprint(shared_generator()), {SMILE: direction, "on": moving}, region, 0.7, kept, tuple(table), "600 faces"
    )
    direction_file.save(tmp_path / "directions.safetensors", made)
    again = direction_file.load(tmp_path / "directions.safetensors", shared_generator())
    torch.testing.assert_close(again.directions[SMILE].vector, direction.vector)
    assert vars(again.directions[SMILE]).keys() == vars(direction).keys()
    assert again.directions[SMILE].interval == direction.interval
    assert again.directions[SMILE].pattern is None
    assert (again.directions[SMILE].layers, again.directions["on"].layers) == ((), (1, 3))
    torch.testing.assert_close(again.directions["on"].pattern, moving.pattern)
    torch.testing.assert_close(again.patterns["age"], kept["age"])
    assert again.table == made.table
    assert again.find("smile", "WS").name == "smile"
    torch.testing.assert_close(
        again.region.distance(bright.latents()[:9]), region.distance(bright.latents()[:9]), rtol=0.01, atol=0
    )
    with pytest.raises(DirectionError, match="no direction 'age'; expected one of on, smile"):
        again.find("age")
    with pytest.raises(CheckpointError, match="belongs to the generator"):
        direction_file.load(tmp_path / "directions.safetensors", tiny_generator(2))
    from inversion import inverter_file as inverters

    inverters.save(tmp_path / "inverter.safetensors", tiny_inverter(), inverters.InverterInfo("g"))
    with pytest.raises(CheckpointError, match="expected directions"):
        direction_file.load(tmp_path / "inverter.safetensors")
