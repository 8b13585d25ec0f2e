"""Train a classifier of conditions on images of your own and on a set that the service makes for it.

Needs PyTorch, Pillow, and the client: `pip install './client[torch]'` in a checkout of gestaltgen.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from gestaltgen_client import Client, ServiceError
from gestaltgen_client.torch_dataset import ImageSetDataset

HELP = """
Train a small convolutional network to tell conditions apart, on your own images alone and then on these and a set of
synthetic ones, and compare both on images of yours that neither has seen.

  gestaltgen serve --without-keys                                   # in another terminal; or set GESTALTGEN_KEY
  gestaltgen dataset phantoms real.zip --count 300 --seed 1         # stands in for your own images
  python examples/train_classifier.py real.zip --out runs/classifier

REAL is a folder or a zip with the images and labels.csv, whose columns `file` and `condition` are used; `gestaltgen
dataset prepare` makes one of photographs. The set is asked for once and kept in OUT/set. Interrupted at any time, the
same command goes on: what is downloaded is not fetched again, and training resumes after the last whole epoch.

With --stream the set is not stored: each worker of the loader fetches shards of its own, verified, in every epoch.

Synthetic images are of nobody, and a classifier like this one is no basis for a diagnosis.
"""

Pairs = Dataset[tuple[Tensor, Tensor]]
"""Images (3, size, size) float32 in [-1, 1], and the probability of each condition (classes,)."""


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    about = ask_once(options)
    classes = about["classes"]
    known, held_out = split(read_images(options.real, classes, options.size), options.held_out, options.seed)
    print(f"{len(known)} real images to train on, {len(held_out)} held out, {about['images']} from the service")

    def open_set(epoch: int) -> Pairs:
        if options.stream:
            return Streamed(options.url, about["id"], options.size, epoch)
        return Downloaded(options.out / "set", options.size)

    alone = train("alone", options, known, None, len(classes))
    both = train("with-set", options, known, open_set, len(classes))
    guess = held_out.tensors[1].mean(dim=0).max().item()
    share_alone, share_both = measure_accuracy(alone, held_out), measure_accuracy(both, held_out)
    print(f"held-out accuracy: {share_alone:.1%} trained on real images alone,")
    print(f"                   {share_both:.1%} with the set; {guess:.1%} by always giving the same answer")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("real", type=Path, metavar="REAL", help="folder or zip with images and labels.csv")
    add("--out", type=Path, default=Path("classifier"), help="folder for the set and the checkpoints")
    add("--url", default="http://127.0.0.1:8000", help="of the service (%(default)s)")
    add("--model", help="generator of the service; unset takes its first")
    add("--kind", default="unrelated", help="of image set; blended has soft labels (%(default)s)")
    add("--count", type=int, default=30, help="for each condition, see Client.create (%(default)s)")
    add("--stream", action="store_true", help="fetch shards while training, and store nothing")
    add("--workers", type=int, default=0, help="processes of each loader (%(default)s)")
    add("--held-out", type=float, default=0.5, help="share of the real images to measure on (%(default)s)")
    add("--size", type=int, default=64, help="side of the images that the network sees, in pixels (%(default)s)")
    add("--epochs", type=int, default=20, help="passes over the real images (%(default)s)")
    add("--batch", type=int, default=32, help="real images of a step, and as many of the set (%(default)s)")
    add("--seed", type=int, default=0, help="of the split, the weights and the order (%(default)s)")
    return parser.parse_args()


def ask_once(options: argparse.Namespace) -> dict[str, Any]:
    """Ask for the set, and describe it: id, images, classes. The service is asked only if this is not stored yet."""
    noted = options.out / "set.json"
    asked = {name: getattr(options, name) for name in ("url", "model", "kind", "count", "stream")}
    if noted.exists():
        about: dict[str, Any] = json.loads(noted.read_text())
        if about["asked"] != asked:
            raise SystemExit(f"{options.out} has a set that was asked for by {about['asked']}; take another --out")
        return about
    with Client(options.url) as client:
        classes = [condition["name"] for condition in client.conditions(options.model)["conditions"]]
        # The same request is the same set: after an interruption the service has it, or goes on with it.
        image_set = client.create(
            kind=options.kind, conditions=classes, count=options.count, seed=options.seed, model=options.model
        )
        image_set = image_set.wait(lambda now: print(f"{now.state}: {now.done} of {now.total} images", flush=True))
        if not options.stream:
            image_set.download(options.out / "set")  # keeps what is there unharmed
    about = {"asked": asked, "id": image_set.id, "images": len(image_set), "classes": classes}
    write_whole_file(noted, json.dumps(about, indent=1).encode())
    return about


# Images


def read_images(real: Path, classes: Sequence[str], size: int) -> TensorDataset:
    """Read the labelled images of a folder or zip with a labels.csv."""
    root = zipfile.Path(real) if real.suffix == ".zip" else real
    with (root / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["condition"]]
    if strange := sorted({row["condition"] for row in rows} - set(classes)):
        raise SystemExit(f"{real} has images of {', '.join(strange)}; the service knows {', '.join(classes)}")
    images = [to_tensor(root.joinpath(*PurePosixPath(row["file"]).parts).read_bytes(), size) for row in rows]
    labels = torch.tensor([classes.index(row["condition"]) for row in rows])
    return TensorDataset(torch.stack(images), F.one_hot(labels, len(classes)).float())


def split(images: TensorDataset, share: float, seed: int) -> tuple[TensorDataset, TensorDataset]:
    """Split images into those to train on and those held out. If people have several images, split people instead."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    cut = round(len(images) * (1 - share))
    if not 0 < cut < len(images):
        raise SystemExit(f"--held-out {share} of {len(images)} images leaves none on one side; expected 0 to 1")
    known, held_out = order[:cut], order[cut:]
    return TensorDataset(*images[known]), TensorDataset(*images[held_out])


def to_tensor(picture: bytes, size: int) -> Tensor:
    """Decode an image file to (3, size, size) float32 in [-1, 1]."""
    with Image.open(io.BytesIO(picture)) as image:
        return resize(np.asarray(image.convert("RGB")), size)


def resize(pixels: NDArray[np.uint8], size: int) -> Tensor:
    """Resize pixels, uint8 (h, w, 3), to (3, size, size) float32 in [-1, 1]."""
    small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 127.5 - 1


class Downloaded(Pairs):
    """The images of a set that `ImageSet.download` stored."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.rows[index]
        return to_tensor((self.folder / row["file"]).read_bytes(), self.size), torch.tensor(row["soft_label"])


class Streamed(IterableDataset[tuple[Tensor, Tensor]]):
    """A set shard by shard, never stored; each worker of the loader has shards of its own."""

    def __init__(self, url: str, set_id: str, size: int, epoch: int) -> None:
        self.samples = ImageSetDataset(url, set_id, transform=partial(resize, size=size))
        self.samples.set_epoch(epoch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for sample in self.samples:
            yield sample["image"], sample["soft_label"]


# Training


def make_network(classes: int) -> nn.Module:
    """Make a network from images (n, 3, size, size) to logits (n, classes)."""

    def halve(wide: int, wider: int) -> list[nn.Module]:
        return [nn.Conv2d(wide, wider, 3, stride=2, padding=1), nn.GroupNorm(8, wider), nn.ReLU()]

    layers = [*halve(3, 16), *halve(16, 32), *halve(32, 64), *halve(64, 64)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, classes))


def train(
    name: str,
    options: argparse.Namespace,
    real: Dataset[Any],
    open_set: Callable[[int], Pairs] | None,
    classes: int,
) -> nn.Module:
    """Train a network, and return it after the last epoch. Training resumes after the last epoch in OUT/NAME.pt.

    Args:
        open_set: returns the set's images for an epoch; None trains on real images alone.
    """
    torch.manual_seed(options.seed)
    net = make_network(classes)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    stored, begin = options.out / f"{name}.pt", 0
    if stored.exists():
        state = torch.load(stored, weights_only=True)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        begin = state["epochs"]
        print(f"{name}: goes on after epoch {begin}")
    for epoch in range(begin, options.epochs):
        torch.manual_seed(options.seed * 100_003 + epoch)  # an epoch draws the same whether or not it was interrupted
        net.train()
        total, images_seen = 0.0, 0
        more = None if open_set is None else repeat_for_ever(make_loader(open_set(epoch), options))
        for images, labels in make_loader(real, options):
            if more is not None:
                others, theirs = next(more)
                images, labels = torch.cat([images, others]), torch.cat([labels, theirs])
            flipped = torch.rand(len(images), 1, 1, 1) < 0.5
            loss = F.cross_entropy(net(torch.where(flipped, images.flip(3), images)), labels)  # soft labels
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total, images_seen = total + loss.item() * len(images), images_seen + len(images)
        buffer = io.BytesIO()
        state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "epochs": epoch + 1}
        torch.save(state, buffer)
        write_whole_file(stored, buffer.getvalue())
        print(f"{name}: epoch {epoch + 1} of {options.epochs}, loss {total / images_seen:.3f}", flush=True)
    return net


def make_loader(images: Dataset[Any], options: argparse.Namespace) -> DataLoader[tuple[Tensor, Tensor]]:
    """Make a loader of batches."""
    shuffle = not isinstance(images, IterableDataset)
    return DataLoader(images, options.batch, shuffle=shuffle, num_workers=options.workers)


def repeat_for_ever(batches: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[Any]:
    """Iterate over the batches, again from the start at their end."""
    return chain.from_iterable(repeat(batches))


@torch.no_grad()
def measure_accuracy(net: nn.Module, images: TensorDataset) -> float:
    """Measure the share of images whose condition the network finds."""
    net.eval()
    pictures, labels = images.tensors
    return float((net(pictures).argmax(dim=1) == labels.argmax(dim=1)).float().mean())


def write_whole_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    partial_file = path.with_name(f".{path.name}.{os.getpid()}")
    partial_file.write_bytes(data)
    os.replace(partial_file, path)


if __name__ == "__main__":
    try:
        main()
    except (ServiceError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
