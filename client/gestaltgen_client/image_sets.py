"""Labelled image sets: their images, shards, manifest and contact sheet."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final, Literal
from urllib.parse import urlencode

from gestaltgen_client.errors import ChecksumError
from gestaltgen_client.partial_files import write_whole_file
from gestaltgen_client.work import Work

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_IMAGE_NAME: Final = re.compile(r"images/\d+\.png")


@dataclass(frozen=True)
class Item:
    """One image of a set with its label.

    Args:
        image: PNG bytes, verified.
        row: line of the manifest: index, person, seed, condition, age_group, step, soft_label, precision, file, sha256
        class_index: position of the condition in the soft label, as in the shard's .cls file.
    """

    image: bytes = field(repr=False)
    row: Mapping[str, Any]
    class_index: int

    @property
    def index(self) -> int:
        """Position of the image in its set, from 0."""
        return int(self.row["index"])

    @property
    def labels(self) -> dict[str, Any]:
        """Person, condition, age group and step, by name."""
        return {name: self.row.get(name) for name in ("person", "condition", "age_group", "step")}

    @property
    def soft_label(self) -> tuple[float, ...]:
        """Weight of each condition, in the order of /v1/conditions; the weights sum to 1."""
        return tuple(self.row["soft_label"])

    def array(self) -> npt.NDArray[np.uint8]:
        """Decode the pixels: a new array, uint8 (h, w, 3) RGB. Needs the extra `images`.

        Raises:
            ModuleNotFoundError: numpy or Pillow is not installed.
        """
        try:
            import numpy as np
            from PIL import Image
        except ModuleNotFoundError as error:
            message = f"{error.name} is missing; install it with: pip install 'gestaltgen-client[images]'"
            raise ModuleNotFoundError(message, name=error.name) from error

        with Image.open(io.BytesIO(self.image), formats=["PNG"]) as picture:
            return np.array(picture.convert("RGB"))


@dataclass(frozen=True)
class ImageSet(Work):
    """A labelled image set. If it was cancelled, creating the same set again continues it.

    Args:
        done: number of images that are finished.
        total: number of images of the set.
        images_per_s: images finished in a second; None when unknown.
        eta_s: seconds left at this rate; None when unknown.
        shards: number of WebDataset shards.
        shard_images: number of images in each shard but the last.
        request: the request with every default spelt out.
    """

    what: ClassVar[str] = "image set"

    done: int
    total: int
    images_per_s: float | None
    eta_s: float | None
    shards: int
    shard_images: int
    request: Mapping[str, Any]

    def __len__(self) -> int:
        return self.total

    @property
    def shard_urls(self) -> list[str]:
        """URLs of the WebDataset shards, for loaders that fetch the shards themselves and do not verify them."""
        return [self._connection.url(self.links["shard"].format(n=n)) for n in range(self.shards)]

    def manifest(self) -> list[dict[str, Any]]:
        """Fetch the manifest: one row for each image, in order."""
        data = self._connection.fetch(self.links["manifest"])
        return [json.loads(line) for line in data.splitlines()]

    def selection(self) -> dict[str, Any]:
        """Fetch what a filtered set kept and left out; `client.create(**selection["request"])` makes the same images.

        Raises:
            ServiceError: the set was asked for without a minimum.
        """
        selection: dict[str, Any] = json.loads(self._connection.fetch(f"{self.links['self']}/selection.json"))
        return selection

    def item(self, index: int) -> Item:
        """Fetch one image by itself. To read many images, iterate over the set.

        Raises:
            ChecksumError: the image is not the one that the manifest names.
        """
        row = self.manifest()[index]
        image = self._connection.fetch(self.links["image"].format(n=index))
        return _verify_item(Item(image, row, self._conditions().index(row["condition"])), row)

    def __iter__(self) -> Iterator[Item]:
        """Iterate over all images in order; they are fetched shard by shard and verified against the manifest."""
        for shard in self.iter_shards():
            yield from shard

    def iter_shards(self, numbers: Sequence[int] | None = None) -> Iterator[list[Item]]:
        """Iterate over the images shard by shard.

        Args:
            numbers: the shards to fetch; None is all. Give each of several loader workers its own.

        Raises:
            ChecksumError: an image is missing, or is not the one that the manifest names.
        """
        manifest = self.manifest()
        for number in range(self.shards) if numbers is None else numbers:
            rows = manifest[number * self.shard_images : (number + 1) * self.shard_images]
            with self._connection.open(self.links["shard"].format(n=number)) as file:
                items = list(_read_shard(file))
            if len(items) != len(rows):
                raise ChecksumError(f"shard {number} has {len(items)} images; the manifest says {len(rows)}")
            yield [_verify_item(item, row) for item, row in zip(items, rows, strict=True)]

    def download(self, folder: str | Path) -> Path:
        """Store images/NNNNNN.png, manifest.jsonl and request.json in a folder. Files that are complete are kept.

        Returns:
            The folder.

        Raises:
            ChecksumError: the manifest names a file outside the folder, or an image is not the one that it names.
            FileExistsError: the folder holds another set.
        """
        folder = Path(folder)
        request = json.dumps(dict(self.request), indent=1).encode()
        if (stored := folder / "request.json").is_file() and stored.read_bytes() != request:
            raise FileExistsError(f"{folder} holds another image set; take another folder")
        manifest = self.manifest()
        if strange := [row["file"] for row in manifest if not _IMAGE_NAME.fullmatch(row["file"])]:
            raise ChecksumError(f"the manifest names {strange[0]!r}; expected images/NNNNNN.png: nothing was written")
        (folder / "images").mkdir(parents=True, exist_ok=True)
        write_whole_file(folder / "request.json", request)
        for number in range(self.shards):
            rows = manifest[number * self.shard_images : (number + 1) * self.shard_images]
            if all(_has_digest(folder / row["file"], row["sha256"]) for row in rows):
                continue
            for item in next(self.iter_shards([number])):
                write_whole_file(folder / item.row["file"], item.image)
        write_whole_file(folder / "manifest.jsonl", self._connection.fetch(self.links["manifest"]))
        return folder

    def delete(self) -> None:
        """Delete the set from the service, with its files and your edits of its images. Its job is cancelled.

        If another owner asked for the same set, they keep it. Creating the same set again makes it again.
        """
        self._connection.send("DELETE", self.links["self"])

    def sheet(self) -> bytes:
        """Fetch the contact sheet as PNG bytes."""
        return self._connection.fetch(self.links["sheet"])

    def quiz(
        self,
        form: Literal["moodle", "qti"] = "moodle",
        *,
        questions: int | None = None,
        seed: int = 0,
        more: Sequence[ImageSet] = (),
    ) -> bytes:
        """Fetch a quiz about the faces of this set: Moodle XML, or a zip in QTI 2.1 for other learning platforms.

        Args:
            questions: number of questions; None takes as many as there can be, up to 20.
            seed: where the random choice of the questions comes from.
            more: further image sets of the same weights: of other conditions, or averages, which explain the
                answers.

        Raises:
            ServiceError: the sets have too few conditions or pictures.
        """
        query = urlencode(
            {
                **({} if questions is None else {"questions": questions}),
                "seed": seed,
                "more": [image_set.id for image_set in more],
            },
            doseq=True,
        )
        return self._connection.fetch(f"{self.links['self']}/quiz.{'xml' if form == 'moodle' else 'zip'}?{query}")

    def printed_sheet(self, paper: str = "a4", columns: int | None = None) -> bytes:
        """Fetch the set as the pages of a PDF.

        Args:
            paper: a4, or slide for pages of 16:9.
            columns: images side by side; None takes one for each age group.
        """
        chosen = "" if columns is None else f"&columns={columns}"
        return self._connection.fetch(f"{self.links['printed_sheet']}?paper={paper}{chosen}")

    def _conditions(self) -> list[str]:
        """Ask for the conditions of the model that made this set, in the order of the class indices."""
        models = self._connection.send("GET", "v1/models").json()["items"]
        weights = self.request["weights_sha256"]
        name = next((model["name"] for model in models if model["weights_sha256"] == weights), None)
        params = {} if name is None else {"model": name}
        answer = self._connection.send("GET", "v1/conditions", params=params).json()
        return [condition["name"] for condition in answer["conditions"]]

    def _describe_progress(self) -> str:
        return f"has {self.done} of {self.total} images"


def _read_shard(file: IO[bytes]) -> Iterator[Item]:
    """Read the samples of a WebDataset shard, in which the files of a sample come in the order png, json, cls."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        sample: dict[str, bytes] = {}
        for member in tar:
            content = tar.extractfile(member)
            sample[member.name.rpartition(".")[2]] = content.read() if content else b""
            if len(sample) == 3:
                yield Item(sample["png"], json.loads(sample["json"]), int(sample["cls"]))
                sample = {}


def _verify_item(item: Item, row: Mapping[str, Any]) -> Item:
    """Compare an image and its label with a row of the manifest, and return it.

    Raises:
        ChecksumError: they differ.
    """
    if dict(item.row) != dict(row):
        raise ChecksumError(f"image {item.row.get('index')} has a label that is not the manifest's; fetch it again")
    digest = hashlib.sha256(item.image).hexdigest()
    if digest != row["sha256"]:
        raise ChecksumError(f"image {item.index} has sha256 {digest}; the manifest says {row['sha256']}: it is damaged")
    return item


def _has_digest(path: Path, sha256: str) -> bool:
    """Check that there is a file with this sha256."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256
