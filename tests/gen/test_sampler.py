"""The same row gives the same image, whatever the batch, the order and the process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.precision import Precision
from faces.image_set_request import ImageSetRequest
from faces.images import to_uint8
from gen import checkpoint
from gen.imagesets import Row, expand
from gen.labels import Vocabulary
from gen.sampler import AVERAGED, Sampler, random_vectors
from tests.gen.fixtures import generator_32

REQUEST = ImageSetRequest("age_progression", seeds=(3, 4))
TOLERANCE: dict[Precision, int] = {"float32": 1, "bfloat16": 4}


def rows(request: ImageSetRequest) -> list[Row]:
    return expand(request, Vocabulary(), {})


def largest_difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("noise", ["const", "random"])
def test_batch_size_and_order_do_not_matter(precision: Precision, noise: str) -> None:
    request = replace(REQUEST, noise=noise)  # type: ignore[arg-type]
    made, net = rows(request), generator_32()
    images = Sampler(net, precision=precision, batch=32).render(made, request)
    for batch in (1, 7):
        backwards = Sampler(net, precision=precision, batch=batch).render(made[::-1], request)
        assert largest_difference(images, backwards[::-1]) <= TOLERANCE[precision]
    assert images.std() > 20
    assert largest_difference(images[0], images[5]) > 50  # another person is another image


def test_another_process_gives_the_same_image(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "net.safetensors", generator_32())
    script = (
        "import sys, numpy as np\n"
        "from gen import checkpoint; from gen.imagesets import *; from gen.labels import Vocabulary\n"
        "from gen.sampler import Sampler\n"
        "request = ImageSetRequest('age_progression', seeds=(3, 4))\n"
        "net = checkpoint.load_for_inference(sys.argv[1] + '/net.safetensors')\n"
        "images = Sampler(net).render(expand(request, Vocabulary(), {})[3:6], request)\n"
        "np.save(sys.argv[1] + '/images.npy', images)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)  # noqa: S603
    here = Sampler(generator_32()).render(rows(REQUEST), REQUEST)[3:6]
    assert largest_difference(here, np.load(tmp_path / "images.npy")) <= 1


def test_truncation_draws_towards_the_average_latent() -> None:
    net = generator_32()

    def spread(truncation: float) -> float:
        request = ImageSetRequest("unrelated", count=4, conditions=("WS",), truncation=truncation)
        images = Sampler(net).render(rows(request), request)
        return float(images.astype(float).std(axis=0).mean())

    assert spread(0) == 0
    assert spread(0) < spread(0.5) < spread(1)


def test_an_average_is_the_image_of_the_mean_latent() -> None:
    net, request = generator_32(), ImageSetRequest("average", conditions=("WS",), ages=("child",))
    image = Sampler(net).render(rows(request), request)[0]
    z = random_vectors(0, AVERAGED, 64)
    c = Vocabulary().encode("WS", "child").expand(AVERAGED, -1)
    with torch.no_grad():
        expected = to_uint8(net.synthesize(net.map(torch.from_numpy(z), c).mean(dim=0, keepdim=True)))[0]
    assert largest_difference(image, expected) <= 1


def test_every_bit_of_a_seed_counts() -> None:
    vectors = [random_vectors(seed, 1, 64) for seed in (5, 5 + 2**32, 5 + 2**62)]
    assert len({tuple(v[0].tolist()) for v in vectors}) == 3
