"""Photographs that were sent, faces with another expression, and survey packs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gestaltgen_client.connection import Connection, make_idempotency_key
from gestaltgen_client.partial_files import write_partial_file
from gestaltgen_client.work import Work, read_work


@dataclass(frozen=True)
class Edit(Work):
    """A face with another expression, of a photograph or of an image set. The result is not a photograph.

    Args:
        request: the fields that were asked for.
        result: strength, smile before and after, other attributes that changed, verdict and its reasons; None until
            it is done.
    """

    what: ClassVar[str] = "edit"

    request: Mapping[str, Any]
    result: Mapping[str, Any] | None

    def image(self) -> bytes:
        """Fetch the edited face as PNG bytes."""
        return self._connection.send("GET", self.links["image"]).content

    def before(self) -> bytes:
        """Fetch the same face before the edit as PNG bytes, for comparison with the edited one."""
        return self._connection.send("GET", self.links["before"]).content


@dataclass(frozen=True)
class Photo(Work):
    """A photograph that was sent, and its reconstruction by a generator.

    Args:
        model: name of the generator.
        reference: your own name for the photograph; None if you gave none.
        expires: time at which the service erases the photograph with everything derived from it, ISO 8601.
        quality: how well the generator reproduces it, with a verdict; None until it is done.
        notes: remarks about the face that was detected.
    """

    what: ClassVar[str] = "photograph"

    model: str
    reference: str | None
    expires: str
    quality: Mapping[str, Any] | None
    notes: str

    def crop(self) -> bytes:
        """Fetch the aligned face as PNG bytes."""
        return self._connection.send("GET", self.links["crop"]).content

    def landmarks(self) -> dict[str, Any]:
        """Return the 68 landmarks of the aligned face in pixels, areas of interest, and the smile that they show."""
        return dict(self._connection.send("GET", self.links["landmarks"]).json())

    def reconstruction(self) -> bytes:
        """Fetch the face as the generator reproduces it, as PNG bytes."""
        return self._connection.send("GET", self.links["reconstruction"]).content

    def edit(
        self,
        *,
        smile: float | None = None,
        strength: float | None = None,
        direction: str | None = None,
        condition: str | None = None,
        hold: bool | None = None,
        local: bool | None = None,
        apply: str | None = None,
        method: str | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        wait_s: float = 0,
    ) -> Edit:
        """Ask for another expression: either a smile to reach, or a strength along a direction.

        Args:
            smile: smile to reach, 0 (at rest) to 1 (broad).
            strength: distance to move, in units of the direction; instead of `smile`.
            direction: a name from `Client.directions`; None is the smile.
            condition: use the direction that was fitted for this condition, if there is one.
            hold: correct other attributes that would change as well; None does.
            local: after pivotal tuning, edit the region of the expression alone; None does.
            apply: how a smile is reached: "warp" moves the pixels of the picture after pivotal tuning, "latent"
                generates the face anew; None takes the warp where it is possible.
            method: invert the photograph anew for this edit: hyperstyle or tuning; None takes its inversion.
            steps, seconds: of each part of tuning; None takes the service's.
            wait_s: seconds for which the service may wait for the result before it answers.

        Raises:
            ServiceError: a field is not valid, or the photograph is not inverted.
        """
        fields = {"smile": smile, "strength": strength, "direction": direction, "condition": condition, "hold": hold}
        fields |= {"local": local, "apply": apply, "method": method, "steps": steps, "seconds": seconds}
        return request_edit(self._connection, self.links["edits"], fields, wait_s)

    def join_cohort(
        self, syndrome: str, *, sex: str | None = None, age: float | None = None, ancestry: str | None = None
    ) -> dict[str, Any]:
        """Let other faces of yours be compared with this one. It must have been sent with this scope of consent.

        Args:
            syndrome: of the person shown.
            sex: female, male or other.
            age: in years, when the photograph was taken.
            ancestry: in your own words.
        """
        body = {"syndrome": syndrome, "sex": sex, "age": age, "ancestry": ancestry}
        return dict(self._connection.send("PUT", self.links["cohort"], json=body).json())

    def leave_cohort(self) -> None:
        """Take the photograph out of the cohort. The photograph itself stays."""
        self._connection.send("DELETE", self.links["cohort"])

    def erase(self) -> dict[str, Any]:
        """Erase it with everything derived from it, survey packs included, and return the receipt."""
        return dict(self._connection.send("DELETE", self.links["self"]).json())


@dataclass(frozen=True)
class Pack(Work):
    """A survey pack: photographs, each as its reconstruction and edited.

    Args:
        done: number of photographs that are finished.
        total: number of photographs.
        people: number of people in the pack; None until it is done.
        left_out: `photograph` and `reason` for each photograph that is not in it.
        expires: time at which the service erases the pack, ISO 8601.
    """

    what: ClassVar[str] = "survey pack"

    done: int
    total: int
    people: int | None
    left_out: Sequence[Mapping[str, str]]
    expires: str

    def download(self, path: str | Path) -> Path:
        """Store the pack as a zip file that appears whole or not at all, and return its path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_partial_file(path) as partial, partial.open("wb") as file:
            self._connection.stream_to(file, self.links["archive"], checked=False)
        return path

    def picture(self, version: str, place: int) -> bytes:
        """Return the PNG at a place of version A or B, from 1, as the participants see it."""
        path = self.links["picture"].format(version=version, n=place)
        return self._connection.send("GET", path).content

    def erase(self) -> None:
        """Erase the pack. Its photographs stay."""
        self._connection.send("DELETE", self.links["self"])

    def _describe_progress(self) -> str:
        return f"has {self.done} of {self.total} photographs"


def request_edit(connection: Connection, path: str, fields: Mapping[str, Any], wait_s: float) -> Edit:
    """Ask for an edit at the path where the edits of a face are created."""
    return read_work(Edit, connection.ask(path, fields, wait_s, make_idempotency_key()), connection)
