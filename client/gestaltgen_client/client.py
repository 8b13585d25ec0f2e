"""The client: one method for each thing that the service does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gestaltgen_client.administration import Administration
from gestaltgen_client.assessments import Assessment
from gestaltgen_client.connection import make_idempotency_key
from gestaltgen_client.explanations import Explanation
from gestaltgen_client.image_sets import ImageSet
from gestaltgen_client.models import Models
from gestaltgen_client.photographs import Edit, Pack, Photo, request_edit
from gestaltgen_client.work import W, read_item, read_work


class Client(Models, Administration):
    """Client of one service. The arguments are those of `Connection`.

    Image sets, photographs, edits, explanations and survey packs that a method returns are descriptions of the state at
    that moment; their `wait` and `refresh` ask the service again. A request that fails on the way is sent again, and a
    download that breaks off starts again.
    """

    def create(
        self,
        *,
        kind: str,
        conditions: Sequence[str] | None = None,
        ages: Sequence[str] | None = None,
        count: int | None = None,
        total_images: int | None = None,
        seeds: Sequence[int] | None = None,
        seed: int | None = None,
        truncation: float | None = None,
        blend: float | None = None,
        partners: Sequence[str] | None = None,
        age_steps: str | None = None,
        years: Sequence[float] | None = None,
        noise: str | None = None,
        precision: str | None = None,
        model: str | None = None,
        seeds_by_label: Mapping[str, Sequence[int] | Mapping[str, Sequence[int]]] | None = None,
        scores: bool | None = None,
        classifier: str | None = None,
        classifier_sha256: str | None = None,
        min_condition: float | None = None,
        min_age: float | None = None,
        min_face: float | None = None,
        min_sharpness: float | None = None,
        min_novelty: float | None = None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
    ) -> ImageSet:
        """Ask for an image set. The same request gives the same set. None takes the service's default.

        Args:
            kind: unrelated, age_related, age_progression, blended or average.
            conditions: names from `conditions`; None takes all but the unaffected one.
            ages: names of age groups; None takes all.
            count: persons for each condition, so a set has count x conditions x ages images: 20 persons with one of 2
                conditions, each in 5 age groups, are 20 x 2 x 5 = 200 images. For `unrelated` it is images for each
                condition and age group, for `blended` images for each pair of conditions and age group. None follows
                the training data of the generator.
            total_images: number of images of the whole set, instead of `count`. It must be divisible evenly among
                conditions and age groups; the service refuses another number, and names the nearest ones.
            seeds: one seed for each person (for `unrelated` and `blended`: for each image), instead of `count`.
            seed: seed from which the persons of `count` follow.
            truncation: 0 (everybody is average) to 1 (as varied as the training data).
            blend: weight of the first condition, for `blended`.
            partners: the second conditions, for `blended`; None takes all others.
            age_steps: published or calibrated, for `age_progression`: equal steps, or one for each age group where the
                generator's faces are read as of it.
            years: ages in years instead of `ages`, for `age_progression` and `blended`.
            noise: const, none or random.
            precision: float32, bfloat16 or auto; name one of the first two to get the same set on any hardware.
            model: a name from `models`; None takes the first.
            seeds_by_label: other seeds for each condition (for `unrelated` and `blended`: for each condition and age),
                instead of `count`; the request of `ImageSet.selection` has those that a filter kept.
            scores: whether the manifest has scores of each image.
            classifier: what reads the condition: a name from `classifiers`, or oracle, which reads phantoms.
            classifier_sha256: digest that it must have.
            min_condition, min_age: least probabilities, in [0, 1], of condition and age group as they are read.
            min_face, min_sharpness, min_novelty: least confidence in the face, fine detail, and distance to the faces
                of other persons. Who is below a minimum is replaced by others until `count` have passed; too few among
                twenty times as many are an error of the job, which says how many each minimum refused.
            wait_s: seconds for which the service may wait before it answers; a small set is then made at once,
                without a job.
            idempotency_key: any text; the service refuses a different request with the same key.

        Raises:
            ServiceError: a field is not valid; `problem["errors"]` says which, and what is accepted.
        """
        body = {
            "kind": kind,
            "conditions": _as_list(conditions),
            "ages": _as_list(ages),
            "count": count,
            "total_images": total_images,
            "seeds": _as_list(seeds),
            "seed": seed,
            "truncation": truncation,
            "blend": blend,
            "partners": _as_list(partners),
            "age_steps": age_steps,
            "years": _as_list(years),
            "noise": noise,
            "precision": precision,
            "model": model,
            "seeds_by_label": seeds_by_label,
            "scores": scores,
            "classifier": classifier,
            "classifier_sha256": classifier_sha256,
            "min_condition": min_condition,
            "min_age": min_age,
            "min_face": min_face,
            "min_sharpness": min_sharpness,
            "min_novelty": min_novelty,
        }
        return read_work(ImageSet, self.ask("v1/image-sets", body, wait_s, idempotency_key), self)

    def face(
        self,
        condition: str,
        years: float,
        *,
        seed: int | None = None,
        partner: str | None = None,
        blend: float | None = None,
        truncation: float | None = None,
        strength: float | None = None,
        direction: str | None = None,
        model: str | None = None,
        format: str | None = None,  # noqa: A002
    ) -> bytes:
        """Fetch the picture of one face. The service stores nothing; `create` with `years` makes a set of such faces.

        None takes the service's default.

        Args:
            condition: a name from `conditions`.
            years: age in years.
            seed: of the person.
            partner: second condition of a blend.
            blend: weight of the first condition in it.
            truncation: 0 (everybody is average) to 1 (as varied as the training data).
            strength: units along the direction.
            direction: a name from `directions`; the smile if it is None.
            model: a name from `models`.
            format: png, webp or jpeg.
        """
        asked = {
            "condition": condition,
            "years": years,
            "seed": seed,
            "partner": partner,
            "blend": blend,
            "truncation": truncation,
            "strength": strength,
            "direction": direction,
            "model": model,
            "format": format,
        }
        return self.send("GET", "v1/face", params={k: v for k, v in asked.items() if v is not None}).content

    def estimate(self, *, kind: str, **fields: Any) -> dict[str, Any]:
        """Ask how many images a request would give, and about how many seconds and bytes they take. Nothing is made.

        Args:
            kind, fields: the arguments of `create` that describe images.

        Returns:
            `images`, `seconds`, `size_bytes`; `complete`, if you have the set already; `measured`, if the seconds
            follow from what the service has made; `id` and `request` as the set would have them.

        Raises:
            ServiceError: a field is not valid, as for `create`.
        """
        answer: dict[str, Any] = self.send("POST", "v1/image-sets/estimate", json={"kind": kind, **fields}).json()
        return answer

    def image_set(self, set_id: str) -> ImageSet:
        """Look up an image set by its id."""
        return read_work(ImageSet, self.send("GET", f"v1/image-sets/{set_id}"), self)

    def edit_image(
        self,
        image_set: ImageSet,
        n: int,
        *,
        smile: float | None = None,
        strength: float | None = None,
        direction: str | None = None,
        condition: str | None = None,
        hold: bool | None = None,
        wait_s: float = 0,
    ) -> Edit:
        """Ask for another expression of image `n` of a set. The other arguments are those of `Photo.edit`."""
        fields = {"smile": smile, "strength": strength, "direction": direction, "condition": condition, "hold": hold}
        return request_edit(self, f"{image_set.links['self']}/images/{n}/edits", fields, wait_s)

    def send_photo(
        self,
        photo: str | Path | bytes,
        *,
        consent: str,
        purpose: str,
        reference: str | None = None,
        consent_scope: str | None = None,
        model: str | None = None,
        keep_original: bool = False,
        aligned: bool = False,
        landmarks: Mapping[str, Sequence[float]] | None = None,
        method: str | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        ttl_s: int | None = None,
        wait_s: float = 0,
        idempotency_key: str | None = None,
    ) -> Photo:
        """Send a photograph to be inverted.

        The service deletes the file after that, and everything derived from it when its time is over.

        Args:
            photo: JPEG, PNG or WebP: a path, or the bytes of the file.
            consent: your reference to the consent of the person shown, ASCII.
            purpose: what the photograph is used for, ASCII.
            consent_scope: what the consent includes besides the purpose: cohort, so that other faces may be compared
                with this one; None includes nothing else.
            reference: your own name for the photograph, ASCII, at most 100 characters; survey packs name it in their
                key. It must not name a patient.
            keep_original: keep the file too.
            aligned: the photograph is an aligned square already.
            landmarks: points [x, y] of the face that you set by hand, in pixels: left_eye, right_eye, mouth_left and
                mouth_right, left and right as seen; None leaves it to the detector.
            method: hyperstyle, or tuning, which is more exact and slower; None leaves it to the service.
            steps, seconds: of each part of tuning; None takes the service's.
            ttl_s: erase everything after this many seconds; None takes the service's default.

        Raises:
            ServiceError: the request was refused. Reasons that are known only after decoding, such as a picture
                without a face, are raised by `wait`.
            ValueError: `consent`, `purpose`, `reference` or `consent_scope` is not printable ASCII.
        """
        headers = {"Consent-Reference": consent, "Purpose": purpose}
        if reference is not None:
            headers["Reference"] = reference
        if consent_scope is not None:
            headers["Consent-Scope"] = consent_scope
        if landmarks is not None:
            headers["Landmarks"] = json.dumps({name: list(point) for name, point in landmarks.items()})
        for name, text in headers.items():
            if not (text.isascii() and text.isprintable()):
                raise ValueError(f"{text!r} cannot be the header {name}; expected one line of printable ASCII")
        params: dict[str, str | float | None] = {
            "model": model,
            "ttl_s": ttl_s,
            "keep_original": keep_original or None,
            "aligned": aligned or None,
            "method": method,
            "steps": steps,
            "seconds": seconds,
        }
        answer = self.ask(
            "v1/photos",
            None,
            wait_s,
            idempotency_key or make_idempotency_key(),
            content=_read_picture(photo),
            params={name: value for name, value in params.items() if value is not None},
            headers=headers,
        )
        return read_work(Photo, answer, self)

    def photo(self, photo_id: str) -> Photo:
        """Look up a photograph by its id."""
        return read_work(Photo, self.send("GET", f"v1/photos/{photo_id}"), self)

    def receipt(self, photo_id: str) -> dict[str, Any]:
        """Return the receipt of a photograph that you erased, as `Photo.erase` returned it."""
        return dict(self.send("GET", f"v1/receipts/{photo_id}").json())

    def stimuli(
        self,
        photos: Sequence[Photo | str],
        *,
        smile: float | None = None,
        groups: Mapping[str, str] | None = None,
        seed: int | None = None,
        doubtful: bool | None = None,
        local: bool | None = None,
        apply: str | None = None,
        method: str | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        wait_s: float = 0,
    ) -> Pack:
        """Ask for a survey pack.

        Args:
            photos: photographs that are inverted, or their ids.
            smile: smile to reach; None is the opposite of each face's own.
            groups: group of each photograph, by its id; half of each group is edited in each version of the survey.
            seed: seed of the halves, the order and the file names; None is 0.
            doubtful: keep faces whose inversion or edit is doubtful, but none out of domain; None leaves them out.
            local, apply, method, steps, seconds: as in `Photo.edit`.
        """
        ids = [photo.id if isinstance(photo, Photo) else photo for photo in photos]
        body = {
            "photos": ids,
            "smile": smile,
            "groups": groups,
            "seed": seed,
            "doubtful": doubtful,
            "local": local,
            "apply": apply,
            "method": method,
            "steps": steps,
            "seconds": seconds,
        }
        return read_work(Pack, self.ask("v1/stimuli", body, wait_s, make_idempotency_key()), self)

    def explain(
        self,
        face: Photo | tuple[ImageSet, int],
        *,
        classifier: str | None = None,
        methods: Sequence[str] | None = None,
        target: str | None = None,
        wait_s: float = 0,
    ) -> Explanation:
        """Ask which parts of a face a classifier uses. No basis for a diagnosis.

        Args:
            face: a photograph that is inverted, or an image set that is complete and the index of an image.
            classifier: a name from `classifiers`; None takes the first.
            methods: names of methods; None takes a few that are quick. The service names all of them if it does not
                know one.
            target: class to explain; None takes the most probable one.
            wait_s: seconds for which the service may wait for the result before it answers.

        Raises:
            ServiceError: a field is not valid, no face is found, or the service has no classifier.
        """
        body = {
            "face": {"photo": face.id} if isinstance(face, Photo) else {"image_set": face[0].id, "image": face[1]},
            "classifier": classifier,
            "methods": _as_list(methods),
            "target": target,
        }
        return read_work(Explanation, self.ask("v1/explanations", body, wait_s, make_idempotency_key()), self)

    def explanation(self, explanation_id: str) -> Explanation:
        """Look up an explanation by its id."""
        return read_work(Explanation, self.send("GET", f"v1/explanations/{explanation_id}"), self)

    def explanations(self) -> Iterator[Explanation]:
        """List your explanations, in the order of their ids, of those faces that the key may see."""
        return self._list(Explanation, "v1/explanations")

    def assessments(self) -> Iterator[Assessment]:
        """List your assessments, in the order of their ids."""
        return self._list(Assessment, "v1/assessments")

    def packs(self) -> Iterator[Pack]:
        """List your survey packs, in the order of their ids."""
        return self._list(Pack, "v1/stimuli")

    def assess(
        self,
        photo: Photo,
        syndrome: str,
        *,
        sex: str | None = None,
        age: float | None = None,
        terms: Sequence[str] | None = None,
        prior: float | None = None,
        wait_s: float = 0,
    ) -> Assessment:
        """Ask whether a face is evidence for a syndrome, compared with matched controls. Research use, no diagnosis.

        Args:
            photo: a photograph that is inverted.
            syndrome: a name from `syndromes`.
            sex: female, male or other.
            age: in years, when the photograph was taken.
            terms: ids of HPO terms that were observed; None uses the face alone.
            prior: share of patients among the people whom you would ask about; None takes 0.5.
            wait_s: seconds for which the service may wait for the result before it answers.

        Raises:
            ServiceError: a field is not valid, or the service has no trained model of a syndrome.
        """
        body = {"photo": photo.id, "syndrome": syndrome, "sex": sex, "age": age, "terms": _as_list(terms)}
        body |= {} if prior is None else {"prior": prior}
        return read_work(Assessment, self.ask("v1/assessments", body, wait_s, make_idempotency_key()), self)

    def assessment(self, assessment_id: str) -> Assessment:
        """Look up an assessment by its id."""
        return read_work(Assessment, self.send("GET", f"v1/assessments/{assessment_id}"), self)

    def verify(self, picture: str | Path | bytes) -> dict[str, Any]:
        """Ask whether the service made a picture, given as a path or as bytes.

        Returns:
            The verdict, how it was found, the source of the picture, and the statements in the file.
        """
        return dict(self.send("POST", "v1/verify", content=_read_picture(picture)).json())

    def _list(self, kind: type[W], path: str) -> Iterator[W]:
        """Yield what all pages of a list describe; a page is asked for when the one before is used up."""
        page: str | None = path
        while page is not None:
            answer = self.send("GET", page).json()
            yield from (read_item(kind, item, self) for item in answer["items"])
            page = answer["next"]


def _read_picture(picture: str | Path | bytes) -> bytes:
    return picture if isinstance(picture, bytes) else Path(picture).read_bytes()


def _as_list(values: Sequence[Any] | None) -> list[Any] | None:
    """Make a list for JSON. One name alone is a list of one name, not of its letters."""
    return [values] if isinstance(values, str) else None if values is None else list(values)
