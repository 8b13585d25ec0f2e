"""Batches: what is shown in an epoch, and how it is varied."""

from __future__ import annotations

from dataclasses import replace

import torch

from recognition.config import ClassifierTrainingConfig
from recognition.images.image_stack import to_network_input
from recognition.training.batches import augment_images, draw_epoch_order, make_generator, split_into_batches
from tests.recognition.coloured import squares

CONFIG = ClassifierTrainingConfig()


def test_every_image_once_an_epoch_in_another_order() -> None:
    orders = [draw_epoch_order(CONFIG, 50, None, epoch) for epoch in (0, 1, 0)]
    assert all(sorted(order.tolist()) == list(range(50)) for order in orders)
    assert not orders[0].equal(orders[1])
    assert orders[0].equal(orders[2])


def test_short_epochs_go_on_where_the_last_one_ended() -> None:
    config = replace(CONFIG, images_per_epoch=20)
    shown = torch.cat([draw_epoch_order(config, 50, None, epoch) for epoch in range(5)])
    assert torch.bincount(shown).tolist() == [2] * 50
    long = draw_epoch_order(replace(CONFIG, images_per_epoch=120), 50, None, 0)
    assert torch.bincount(long).min() == 2


def test_an_epoch_is_balanced() -> None:
    order = draw_epoch_order(replace(CONFIG, images_per_epoch=2000), 10, torch.tensor([0.5] + [0.5 / 9] * 9), 0)
    assert 900 < int((order == 0).sum()) < 1100


def test_batches_are_nearly_equal() -> None:
    assert [len(batch) for batch in split_into_batches(torch.arange(33), 32)] == [33]
    assert [len(batch) for batch in split_into_batches(torch.arange(100), 32)] == [34, 33, 33]


def test_nothing_varied_is_plain() -> None:
    pixels = squares(4).pixels
    config = replace(CONFIG, mirror=False, shift=0.0, colour=0.0)
    same = augment_images(pixels, torch.tensor([2, 0]), config, make_generator(0))
    assert same.equal(to_network_input(pixels[[2, 0]]))
    assert same.is_contiguous(memory_format=torch.channels_last)
    assert -1 <= float(same.min()) <= float(same.max()) <= 1


def test_half_of_the_images_are_flipped() -> None:
    pixels = squares(1).pixels
    config = replace(CONFIG, shift=0.0, colour=0.0)
    shown = augment_images(pixels, torch.zeros(16, dtype=torch.int64), config, make_generator(1))
    whole = to_network_input(pixels)[0]
    straight = [bool(image.equal(whole)) for image in shown]
    assert 2 < sum(straight) < 14
    assert all(image.equal(whole.flip(2)) for image, same in zip(shown, straight, strict=True) if not same)


def test_shifts_repeat_the_border() -> None:
    ramp = torch.arange(32, dtype=torch.uint8)[None, None, :, None].expand(1, 32, 32, 3)
    config = replace(CONFIG, mirror=False, shift=0.1, colour=0.0)
    shown = augment_images(ramp, torch.zeros(64, dtype=torch.int64), config, make_generator(2))
    rows = ((shown[:, 0, 16] + 1) * 127.5).round().long()
    moved = rows[:, 16] - 16
    assert sorted(set(moved.tolist())) == [-3, -2, -1, 0, 1, 2, 3]
    assert rows.equal((torch.arange(32) + moved[:, None]).clamp(0, 31))


def test_an_image_is_varied_by_its_stream_alone() -> None:
    pixels, places = squares(4).pixels, torch.arange(4)
    first, again, other = (augment_images(pixels, places, CONFIG, make_generator(seed)) for seed in (5, 5, 6))
    assert first.equal(again)
    assert not first.equal(other)
