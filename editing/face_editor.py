"""Networks and readers for the faces of one generator, loaded once for commands and for the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from core.errors import ConfigError
from core.precision import PrecisionChoice
from editing import direction_file as directions
from editing.direction_file import Directions
from editing.directions import Direction
from editing.face_readers import SMILE, FindLandmarks, Reader, make_face_reader, make_landmark_finder
from editing.latent_editor import Applied, Edit, LatentEditor
from editing.warp import expression_model
from editing.warp.expression_model import ExpressionModel
from editing.warp.warp_editor import WarpEditor
from faces.detect import FaceDetector
from faces.images import to_uint8
from faces.measures.descriptors import FaceDescriber
from faces.measures.judges import JudgeReading, Judges
from gen import checkpoint
from gen.networks import Generator
from inversion import inverter_file as inverters
from inversion.inverter import Inverter
from inversion.methods import InversionMethod, Method, choose_method
from inversion.quality import FLOORS, Judge, read_tuning_limits
from inversion.result import Inversion
from inversion.similarity import DiscriminatorDistance

TUNED_PX: Final = 256
"""Side of the largest pictures for which pivotal tuning is the default on a CPU."""


@dataclass(frozen=True)
class EditorFiles:
    """Files of one generator and of the networks that belong to it. The caller looks them up.

    Attributes:
        generator: its checkpoint.
        discriminator: whose features measure likeness; None leaves that measure out.
        inverter: None where faces are inverted by optimisation only.
        directions: None where nothing is edited.
        oracle: reads the faces of a generator of phantoms; None reads them as photographs.
        landmarks: finds landmarks of phantoms; None seeks them as in photographs.
        expression: how a smile moves faces (`editing.warp.expression_model`); None edits latents only.
    """

    generator: Path
    discriminator: Path | None = None
    inverter: Path | None = None
    directions: Path | None = None
    oracle: Path | None = None
    landmarks: Path | None = None
    expression: Path | None = None


@dataclass(frozen=True)
class SmileEdit:
    """How a smile is changed.

    Attributes:
        apply: by a warp of the picture or by the latent; None takes the warp for photographs after pivotal tuning, if
            the generator has an expression model, and the latent for all other faces.
        condition: the direction of the latent is that of this condition, if there is one.
        hold: lead back other attributes that change with the latent.
        local: edit photographs locally after pivotal tuning (see LatentEditor); false excludes the warp.
    """

    apply: Applied | None = None
    condition: str | None = None
    hold: bool = True
    local: bool = True


SMILE_EDIT: Final = SmileEdit()


@dataclass(frozen=True)
class FaceEditor:
    """Inverts photographs to one generator, edits its faces, and reads them.

    Attributes:
        files: that it was opened from.
        generator: of the faces.
        inverter: None where there is none.
        judge: measures inversions, with the limits of the inverter, or without one those of tuning.
        detector: finds the faces on photographs.
        reader: of the generator's faces.
        find: landmarks (n, 68, 2) of its faces uint8 (n, h, h, 3), NaN where there is no face.
        known: its directions; None where there are none.
        judges: independent judges of photographs; None for drawings, which they do not know.
        expression: moves the pixels of photographs; None edits latents only.
    """

    files: EditorFiles
    generator: Generator
    inverter: Inverter | None
    judge: Judge
    detector: FaceDetector
    reader: Reader
    find: FindLandmarks
    known: Directions | None
    judges: Judges | None = None
    expression: ExpressionModel | None = None

    @classmethod
    def open(
        cls,
        files: EditorFiles,
        detector: FaceDetector | None = None,
        *,
        generator: Generator | None = None,
        identity: bool = True,
        judges: Judges | None = None,
        apart: bool = False,
    ) -> FaceEditor:
        """Load what the files hold, on the generator's device.

        Args:
            detector: None loads one.
            generator: that of `files.generator`, where it is in memory already; None loads it, on the CPU.
            identity: inversions are judged by what is read from the faces too, half a second a face.
            judges: of photographs, where they are installed; they are not asked about drawings.
            apart: descriptors of faces are computed in a process of its own, see `FaceDescriber`.

        Raises:
            CheckpointError: a file that is missing, damaged, of another kind or another generator's.
            ConfigError: a discriminator of another size, or no models of dlib's.
        """
        net = checkpoint.load_generator(files.generator) if generator is None else generator
        device = net.mapping.w_avg.device
        detector = detector or FaceDetector()
        describer = FaceDescriber(detector, apart=apart)
        perceptual = None
        if files.discriminator is not None:
            perceptual = DiscriminatorDistance(inverters.load_discriminator(files.discriminator, net).to(device))
        photographs = files.oracle is None
        judges = judges if photographs else None
        judge = Judge(
            perceptual,
            look=describer.look if identity else None,
            limits=read_tuning_limits(files.generator) if files.inverter is None else None,
            floors=FLOORS if photographs else None,
            read=None if judges is None else judges.read,
        )
        inverter = None if files.inverter is None else inverters.load(files.inverter, net, judge).to(device)
        return cls(
            files=files,
            generator=net,
            inverter=inverter,
            judge=judge if inverter is None else inverter.judge,
            detector=detector,
            reader=make_face_reader(files.oracle, describer),
            find=make_landmark_finder(files.landmarks, detector),
            known=None if files.directions is None else directions.load(files.directions, net),
            judges=judges,
            expression=None if files.expression is None or not photographs else expression_model.load(files.expression),
        )

    @property
    def side(self) -> int:
        """Side of the generator's pictures in pixels."""
        return self.generator.config.resolution

    @property
    def editor(self) -> LatentEditor:
        """Editor of the generator's latents, as of `configure_editor`.

        Raises:
            ConfigError: there are no directions for the generator.
        """
        return self.configure_editor()

    def configure_editor(self, *, hold: bool = True, local: bool = True) -> LatentEditor:
        """Return the editor of the generator's latents.

        Args:
            hold: lead back other attributes that change.
            local: edit photographs locally after pivotal tuning (see LatentEditor).

        Raises:
            ConfigError: there are no directions for the generator.
        """
        known = self._directions()
        find = self.find if local and self.files.oracle is None else None
        patterns = known.patterns if hold else {}
        return LatentEditor(self.generator, self.reader, known.apart, known.region, patterns, find)

    def edit_smile(self, face: Inversion, target: float, how: SmileEdit = SMILE_EDIT) -> Edit:
        """Change the smile of one inverted face until it is as near as possible to the target, in [0, 1].

        Raises:
            ConfigError: there are no directions for the generator, or a warp is asked for that is not possible.
            DirectionError: another target, no such direction, or no smile can be measured on the face.
        """
        direction = self.direction(SMILE, how.condition)
        possible = how.local and self.expression is not None and face.method == Method.PTI
        if how.apply == "warp" and not possible:
            raise ConfigError(
                "a smile is applied by a warp to photographs after pivotal tuning, with a generator that has an "
                "expression model and without no-local; leave `apply` out, or take latent"
            )
        if how.apply == "latent" or not possible or self.expression is None:
            return self.configure_editor(hold=how.hold, local=how.local).to_smile(face, direction, target)
        known = self._directions()
        return WarpEditor(self.generator, self.reader, self.find, known.apart, known.region, self.expression).to_smile(
            face, target
        )

    def direction(self, name: str, condition: str | None = None) -> Direction:
        """Find the direction of an attribute: that of the condition if there is one, else that of all conditions.

        Raises:
            ConfigError: there are no directions for the generator.
            DirectionError: there are, but none of this name.
        """
        return self._directions().find(name, condition)

    def invert(self, face: Tensor, passes: int = 5, precision: PrecisionChoice = "float32") -> Inversion:
        """Invert one aligned face (1, 3, h, h) in [-1, 1], of any size, by the inverter.

        Args:
            passes: of the hypernetwork; 0 takes the encoder alone.
            precision: as of `Inverter.invert`.

        Raises:
            ConfigError: there is no inverter for the generator, fewer than 0 passes, or an unknown precision.
            ImageError: another shape or range.
        """
        if self.inverter is None:
            raise ConfigError(
                f"no inverter is known for {self.files.generator.name}; train one, `gestaltgen train-encoder --help`, "
                "or take a shipped generator that has one"
            )
        return self.inverter.invert(face.to(self.generator.mapping.w_avg.device), passes, precision)

    def invert_by(
        self,
        method: Method | None = None,
        *,
        exact: bool = False,
        passes: int = 5,
        steps: int | None = None,
        seconds: float | None = None,
        precision: PrecisionChoice = "float32",
    ) -> InversionMethod:
        """Return the inversion by a method. Other arguments and errors as `InversionMethod`.

        Args:
            method: None takes the default.
            exact: the default for photographs is pivotal tuning, unless it would take minutes on a CPU, or bfloat16
                is asked for.
        """
        quick = self.side <= TUNED_PX or self.generator.mapping.w_avg.device.type != "cpu"
        exact = exact and quick and self.files.oracle is None and precision != "bfloat16"
        method = method or choose_method(self.inverter, exact=exact)
        return InversionMethod(self.generator, self.inverter, self.judge, method, passes, steps, seconds, precision)

    def read_by_judges(self, *pictures: Tensor) -> list[JudgeReading]:
        """Return the readings of independent judges of faces (1, 3, h, h); empty ones where there are no judges."""
        if self.judges is None:
            return [JudgeReading()] * len(pictures)
        return self.judges.read(np.concatenate([to_uint8(picture) for picture in pictures]))

    def _directions(self) -> Directions:
        if self.known is None:
            raise ConfigError(
                f"no directions are shipped for {self.files.generator.name}; make some with `gestaltgen fit-direction`"
            )
        return self.known
