"""PyTorch networks of a generator, with which its faces are inverted and edited, and rendered on a GPU.

This module needs PyTorch. `api.models.generator` imports it when faces are edited for the first time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from core.errors import ConfigError
from core.hardware import keep_freed_memory
from core.precision import Precision
from editing.face_editor import EditorFiles, FaceEditor
from faces.detect import FaceDetector
from faces.measures.judges import Judges
from gen import checkpoint
from gen.inference.mapping import Floats
from gen.networks import Generator
from inversion.result import Inversion, wrap_generated


class EditingNetworks:
    """Networks that invert and edit the faces of one generator; each is loaded when it is first used.

    Args:
        path: checkpoint of the generator.
        companions: files of its other networks, by the fields of `EditorFiles`.
        device: PyTorch device that they are on.
        detector: returns the face detector for photographs, when it is needed.
        threads: cores that compute on a CPU, in the whole process; None for all that the process may use.
        judges: folder of independent networks that read photographs, or None.
    """

    def __init__(
        self,
        path: Path,
        companions: Mapping[str, Path],
        device: str,
        detector: Callable[[], FaceDetector],
        threads: int | None,
        judges: Path | None,
    ) -> None:
        keep_freed_memory()  # else a third of the time of a layer goes into mapping its tensors anew
        if threads is not None:
            torch.set_num_threads(threads)
        self._files, self._device, self._detector = EditorFiles(path, **companions), device, detector
        self._judges = judges
        self._generator: Generator | None = None
        self._face_editor: FaceEditor | None = None

    @property
    def generator(self) -> Generator:
        """The generator network, loaded if need be."""
        if self._generator is None:
            generator = checkpoint.load_generator(self._files.generator)
            self._generator = generator.to(self._device).requires_grad_(False)
        return self._generator

    @property
    def face_editor(self) -> FaceEditor:
        """Editor that inverts and edits faces, loaded if need be."""
        if self._face_editor is None:
            self._face_editor = FaceEditor.open(
                self._files, self._detector(), generator=self.generator, judges=Judges(self._judges), apart=True
            )
            gc.freeze()  # PyTorch's modules stay; a full garbage collection among them stops every request for 150 ms
        return self._face_editor

    def wrap_face(self, latents: Floats, precision: Precision) -> Inversion:
        """Return a face of the generator, of latents (1, num_ws, w_dim), for editing."""
        return wrap_generated(self.generator, torch.from_numpy(latents), precision)


def check_device(device: str) -> None:
    """Check that PyTorch can compute on a device.

    Raises:
        ConfigError: it cannot.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it was built for the device
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {device!r} cannot be used: {reason}; expected cpu, or cuda with a GPU") from error
