"""Simulation of gaze on the pictures of a study with a known effect, for tests and teaching."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.atomic_files import write_file
from core.errors import ConfigError
from studies.answers.key import AnswerKey, KeyImage
from studies.gaze.areas import MOUTH, InterestArea
from studies.gaze.recordings.delimited_files import Floats
from studies.gaze.recordings.samples import GazeSamples


@dataclass(frozen=True)
class GazeEffects:
    """Numbers of a simulation of gaze.

    Each fixation goes to one of the areas of its image, or elsewhere on the picture, with the probabilities of a
    softmax over equal log odds, plus the effect on one area of edited images, plus normal deviations of participants
    and faces.

    Attributes:
        area: whose log odds are changed in edited images.
        effect: change in logits.
        participant_sd, face_sd: standard deviations of the log odds of each area.
        participant_slope_sd, face_slope_sd: standard deviations of the effect.
        seconds: that each image is shown.
        rate_hz: of the samples.
        fixation_ms: mean duration of a fixation.
        lost: share of samples without tracked eyes.

    Raises:
        ConfigError: a negative number, or no time.
    """

    area: str = MOUTH
    effect: float = 0.5
    participant_sd: float = 0.4
    face_sd: float = 0.4
    participant_slope_sd: float = 0.0
    face_slope_sd: float = 0.0
    seconds: float = 7.0
    rate_hz: float = 120.0
    fixation_ms: float = 250.0
    lost: float = 0.03

    def __post_init__(self) -> None:
        for name in ("participant_sd", "face_sd", "participant_slope_sd", "face_slope_sd", "lost"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")
        for name in ("seconds", "rate_hz", "fixation_ms"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected more than 0")


def simulate_gaze(
    key: AnswerKey,
    areas: Sequence[InterestArea],
    participants: int,
    picture_side: float,
    seed: int,
    effects: GazeEffects | None = None,
) -> GazeSamples:
    """Simulate participants of whom each sees one version of a study; versions take turns.

    Args:
        picture_side: width and height of the pictures in pixels.
        seed: the same seed gives the same samples.

    Raises:
        ConfigError: fewer than one participant, or an image without areas.
    """
    effects = effects or GazeEffects()
    if participants < 1:
        raise ConfigError(f"{participants} participants; expected 1 or more")
    on_image = _group_by_image(areas, key)
    versions: dict[str, list[KeyImage]] = defaultdict(list)
    for image in key.values():
        versions[image.version].append(image)
    generator = np.random.default_rng(seed)
    names = sorted({area.area for area in areas})
    faces = sorted({image.face for image in key.values()})
    if effects.area not in names:
        raise ConfigError(f"area {effects.area!r}; expected one of {', '.join(names)}")
    of_face = generator.normal(0, effects.face_sd, (len(faces), len(names)))
    face_slope = generator.normal(0, effects.face_slope_sd, len(faces))
    samples = round(effects.seconds * effects.rate_hz)
    points, fixations, shown = [], [], []
    for person in range(participants):
        of_person = generator.normal(0, effects.participant_sd, len(names))
        slope = effects.effect + generator.normal(0, effects.participant_slope_sd)
        for image in list(versions.values())[person % len(versions)]:
            face = faces.index(image.face)
            odds = dict(zip(names, of_person + of_face[face], strict=True))
            if image.variant == "edited":
                odds[effects.area] += slope + face_slope[face]
            point, fixation = _look(on_image[image.image], odds, samples, picture_side, effects, generator)
            points.append(point)
            fixations.append(fixation)
            shown.append((person, image.image))
    return _join_views(shown, points, fixations, tuple(key), participants, effects.rate_hz)


def _group_by_image(areas: Sequence[InterestArea], key: AnswerKey) -> dict[str, list[InterestArea]]:
    """Return the areas of each image.

    Raises:
        ConfigError: an image of the key without areas.
    """
    on_image: dict[str, list[InterestArea]] = defaultdict(list)
    for area in areas:
        on_image[area.image].append(area)
    if bare := [image for image in key if image not in on_image]:
        raise ConfigError(f"image {bare[0]} has no areas of interest; the simulation needs them")
    return on_image


def _join_views(
    shown: Sequence[tuple[int, str]],
    points: Sequence[Floats],
    fixations: Sequence[Floats],
    images: tuple[str, ...],
    participants: int,
    rate_hz: float,
) -> GazeSamples:
    """Join simulated views into one recording for each participant.

    Args:
        shown: (number of the participant, image) of each view, participants in order.
        points: (samples, 2) points of each view, in pixels; all views have the same number of samples.
        fixations: (samples,) number of the fixation of each sample.
    """
    samples = len(points[0])
    each = np.array([(person, images.index(code)) for person, code in shown], dtype=np.int64).repeat(samples, axis=0)
    clock = np.arange(len(each)) - np.searchsorted(each[:, 0], each[:, 0])
    x, y = np.concatenate(points).T
    people = tuple(f"G{person + 1:03d}" for person in range(participants))
    return GazeSamples(
        participants=people,
        recordings=tuple(f"{name}_1" for name in people),
        images=images,
        participant=each[:, 0],
        recording=each[:, 0],
        image=each[:, 1],
        time_ms=np.asarray(clock * (1000 / rate_hz), dtype=np.float64),
        x=x,
        y=y,
        fixation=np.concatenate(fixations),
    )


def _look(
    areas: Sequence[InterestArea],
    odds: dict[str, float],
    samples: int,
    side: float,
    effects: GazeEffects,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Simulate one view: points (samples, 2), and the number of the fixation of each, -1 without tracked eyes."""
    longest = int(3 * effects.seconds * 1000 / effects.fixation_ms) + 10
    lengths = np.rint(generator.gamma(4, effects.fixation_ms / 4, longest) * effects.rate_hz / 1000).clip(1)
    weights = np.exp([*(odds[area.area] for area in areas), 0.0])
    goal = generator.choice(len(weights), longest, p=weights / weights.sum())
    centre = np.array([*(((a.left + a.right) / 2, (a.top + a.bottom) / 2) for a in areas), (side / 2, side / 2)])
    spread = np.array([*(((a.right - a.left) / 6, (a.bottom - a.top) / 6) for a in areas), (side / 4, side / 4)])
    aim = (centre[goal] + spread[goal] * generator.normal(size=(longest, 2))).clip(0, side - 1)
    number = np.repeat(np.arange(longest), lengths.astype(np.int64))[:samples]
    points = aim[number] + generator.normal(0, 0.004 * side, (samples, 2))
    lost = generator.random(samples) < effects.lost
    points[lost] = np.nan
    return points, np.where(lost, -1, number)


def write_tobii(path: Path, samples: GazeSamples) -> None:
    """Write classified samples as a gaze export of Tobii Pro Lab, time stamps in microseconds."""
    header = (
        "Recording timestamp [μs]", "Sensor", "Participant name", "Recording name", "Presented Stimulus name",
        "Gaze point X [MCS px]", "Gaze point Y [MCS px]", "Eye movement type", "Eye movement type index",
    )  # fmt: skip
    fixation = np.full(len(samples.x), -1) if samples.fixation is None else samples.fixation
    lines = ["\t".join(header)]
    for row in range(len(samples.x)):
        x, y, number = samples.x[row], samples.y[row], int(fixation[row])
        person, recording = samples.participants[samples.participant[row]], samples.recordings[samples.recording[row]]
        point = "\t" if np.isnan(x) else f"{x:.1f}\t{y:.1f}"
        movement = "EyesNotFound\t" if number < 0 else f"Fixation\t{number}"
        image = samples.images[samples.image[row]]
        lines.append(
            f"{samples.time_ms[row] * 1000:.0f}\tEye Tracker\t{person}\t{recording}\t{image}\t{point}\t{movement}"
        )
    write_file(path, ("\n".join(lines) + "\n").encode())
