"""Check of a model as a whole: its files fit each other, and an image, an inversion and an edit can be made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from core.errors import GestaltError
from core.hardware import peak_bytes
from editing import direction_file
from editing.direction_file import Directions
from editing.face_editor import EditorFiles, FaceEditor
from faces.images import read_image, to_tensor
from gen import checkpoint
from gen.networks import Generator
from inversion import inverter_file
from inversion.encoder_inverter import EncoderInverter
from inversion.framing import frame_face
from inversion.latent_region import sample_latents
from inversion.quality import HIGHER_IS_BETTER, QualityLimits, read_tuning_limits
from inversion.result import Inversion

CheckResult: TypeAlias = Literal["ok", "warning", "missing", "failed", "skipped"]

_TRUNCATION: Final = 0.7
_TUNING_STEPS: Final = 2
_LEAST_CONTRAST: Final = 1e-3


@dataclass(frozen=True)
class ModelCheckLine:
    """Result of one check.

    Attributes:
        part: what was checked: "generator", "inverter", "directions", "limits", "image", "inversion", "edit".
        result: "warning" for what works and needs attention, "missing" for a file that is not there, "skipped" for what
            another failure or a missing file prevents.
        detail: what was found, or the error with its remedy.
        seconds: of the check.
        peak_bytes: most memory that the process has taken until then.
    """

    part: str
    result: CheckResult
    detail: str
    seconds: float
    peak_bytes: int


@dataclass
class _State:
    """Parts of the model that could be loaded so far."""

    files: EditorFiles
    photograph: Path | None
    generator: Generator | None = None
    face_editor: FaceEditor | None = None
    directions: Directions | None = None
    face: Tensor | None = None
    inversion: Inversion | None = None


_Finding: TypeAlias = tuple[CheckResult, str]


def check_model(files: EditorFiles, photograph: Path | None = None) -> Iterator[ModelCheckLine]:
    """Check a model part by part; a part that fails does not stop the checks that do not need it.

    Args:
        files: of the model.
        photograph: to invert and edit; None takes a face that the generator makes.

    Yields:
        a line after each check.
    """
    state = _State(files, photograph)
    for part, check in _CHECKS.items():
        began = time.perf_counter()
        result: CheckResult
        try:
            result, detail = check(state)
        except GestaltError as error:
            result, detail = "failed", str(error)
        seconds = time.perf_counter() - began
        yield ModelCheckLine(part, result, detail, seconds, peak_bytes(torch.device("cpu")))


def _check_generator(state: _State) -> _Finding:
    info = checkpoint.read_info(state.files.generator)
    net = checkpoint.load_generator(state.files.generator).requires_grad_(False)
    for name, value in net.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            return "failed", f"{name} has values that are not finite: copy the file again, or import it again"
    state.generator = net
    labels = "no labels" if info.vocabulary is None else f"conditions {', '.join(info.vocabulary.conditions)}"
    return "ok", f"{net.config.resolution} px, {labels}; licence: {info.licence or 'not stated'}"


def _check_image(state: _State) -> _Finding:
    if state.generator is None:
        return _NO_GENERATOR
    w = sample_latents(state.generator, 1, seed=1)[0]
    w = state.generator.mapping.w_avg.lerp(w, _TRUNCATION)[:, None].expand(-1, state.generator.config.num_ws, -1)
    image = state.generator.synthesize(w)
    if not image.isfinite().all():
        return "failed", "the image has values that are not finite: import the generator again, with --conv-clamp 256"
    if (contrast := image.clamp(-1, 1).std().item()) < _LEAST_CONTRAST:
        return (
            "failed",
            f"the image is blank (deviation {contrast:.1g}): these are not the weights of a trained network",
        )
    state.face = image.clamp(-1, 1)
    return "ok", f"one image of {image.shape[-1]} px"


def _check_discriminator(state: _State) -> _Finding:
    if state.files.discriminator is None:
        return "missing", "none; likeness is measured without its features"
    if state.generator is None:
        return _NO_GENERATOR
    inverter_file.load_discriminator(state.files.discriminator, state.generator)
    return "ok", state.files.discriminator.name


def _check_inverter(state: _State) -> _Finding:
    if state.generator is None:
        return _NO_GENERATOR
    path = state.files.inverter
    # The editor is opened without directions and discriminator, whose errors have lines of their own.
    files = replace(state.files, directions=None, discriminator=None)
    try:
        state.face_editor = FaceEditor.open(files, generator=state.generator)
    except GestaltError:
        state.face_editor = FaceEditor.open(replace(files, inverter=None), generator=state.generator)
        raise
    if path is None:
        return "missing", "none; photographs are inverted by optimisation (pti), which is slow"
    info = inverter_file.read_info(path)
    kind = "encoder" if isinstance(state.face_editor.inverter, EncoderInverter) else "encoder and hypernetwork"
    return "ok", f"{kind}; licence: {info.licence or 'not stated'}"


def _check_limits(state: _State) -> _Finding:
    inverter = state.files.inverter
    limits = read_tuning_limits(state.files.generator) if inverter is None else inverter_file.read_info(inverter).limits
    if limits is None:
        return "warning", (
            "none: every result is unjudged. Measure them on 20 or more photographs of your own: `gestaltgen "
            f"evaluate-inversion {'' if inverter is None else f'{inverter} '}--generator {state.files.generator} "
            "--data HELD_OUT.zip --write-limits`"
        )
    return _judge_limits(limits)


def _judge_limits(limits: QualityLimits) -> _Finding:
    for name, good in limits.good.items():
        if name not in HIGHER_IS_BETTER or name not in limits.worst:
            return "failed", f"{name} is no measure, or has one limit of two; measure the limits again"
        worst, sign = limits.worst[name], 1 if HIGHER_IS_BETTER[name] else -1
        if not (np.isfinite(good) and np.isfinite(worst) and sign * good >= sign * worst):
            return "failed", f"{name}: good to {good:g}, worst {worst:g}; measure the limits again"
    return "ok", f"from {limits.faces} held-out faces: {', '.join(limits.good)}"


def _check_directions(state: _State) -> _Finding:
    if state.files.directions is None:
        return "missing", "none; make some by `gestaltgen fit-direction`, or `gestaltgen directions import`"
    if state.generator is None:
        return _NO_GENERATOR
    known = direction_file.load(state.files.directions, state.generator)
    config = state.generator.config
    for name, direction in known.directions.items():
        along = direction.vector if direction.pattern is None else direction.pattern
        if along.shape not in ((config.w_dim,), (config.num_ws, config.w_dim)):
            return "failed", f"{name} is {tuple(along.shape)}, latents have {config.w_dim} numbers; import it again"
    state.directions = known
    flags = [f"{name}: {'; '.join(one.flags)}" for name, one in known.directions.items() if one.flags]
    if flags:
        return "warning", " | ".join(flags)
    unmeasured = known.directions.keys() - {effects.direction for effects in known.table}
    if unmeasured:
        return "warning", f"the effects of {', '.join(sorted(unmeasured))} are not measured"
    return "ok", ", ".join(known.directions)


def _check_inversion(state: _State) -> _Finding:
    if state.face_editor is None:
        return "skipped", "the generator cannot be used"
    if state.photograph is not None:
        editor = state.face_editor
        framed = frame_face(read_image(state.photograph), editor.side, editor.detector)
        state.face = to_tensor(framed.face)
    if state.face is None:
        return "skipped", "there is no image"
    by = state.face_editor.invert_by(steps=_TUNING_STEPS)
    made = by(state.face)
    if not made.reconstruction.isfinite().all():
        return "failed", "the reconstruction has values that are not finite: import the inverter again"
    state.inversion = made
    quality = made.quality[0]
    figures = ", ".join(f"{name} {value:.3g}" for name, value in quality.measures().items())
    short = f", {_TUNING_STEPS} steps of each part only" if by.optimises else ""
    return "ok", f"{by.method}{short}: {figures}; {quality.verdict_text}"


def _check_edit(state: _State) -> _Finding:
    if state.inversion is None or state.directions is None or state.face_editor is None:
        return "skipped", "an edit needs an inversion and directions"
    known = state.directions
    name, direction = next(iter(known.directions.items()))
    edit = replace(state.face_editor, known=known).editor.edit(state.inversion, direction, direction.spread)
    moved = (edit.image - edit.before).abs().mean().item()
    if not np.isfinite(moved) or moved == 0:
        return "failed", f"one standard deviation along {name} changes no pixel; import or fit the directions again"
    smile = (
        "no smile can be read" if np.isnan(edit.smile).any() else f"smile {edit.smile[0]:.2f} to {edit.smile[1]:.2f}"
    )
    return "ok", f"{name} by one standard deviation ({direction.spread:.3g}): pixels change by {moved:.3g}, {smile}"


_NO_GENERATOR: Final[_Finding] = "skipped", "the generator cannot be used"

_CHECKS: Final[dict[str, Callable[[_State], _Finding]]] = {
    "generator": _check_generator,
    "image": _check_image,
    "discriminator": _check_discriminator,
    "inverter": _check_inverter,
    "limits": _check_limits,
    "directions": _check_directions,
    "inversion": _check_inversion,
    "edit": _check_edit,
}
