"""The one exception tree of the project.

GestaltError                    anything we refuse, with a message that says value, expectation and remedy
├── LabelError                  a condition, an age, a mixture of them or an HPO term that the vocabulary does not have
├── ImageError                  a picture that cannot be used
│   ├── UnreadableImageError    not a picture, or a broken one
│   └── NoFaceError             a picture without a detectable face
├── DatasetError                a data set, or the table of one, that breaks its format
├── ConfigError                 a network or training configuration that makes no sense
├── TrainingError               a training run that cannot go on: weights that are no numbers, a full disk
├── CheckpointError             weights that do not fit the network, or whose checksum is wrong
├── AuditError                  an audit record that is broken, or cannot be written
├── StorageError                a store of images and photographs that cannot be reached, or refuses
├── PullError                   an image set that a service does not hand out; what was fetched is kept
├── DirectionError              a direction in latent space that its examples do not support
├── MissingPackageError         a package that is not installed, and that what was asked for needs
└── RequestError                an image set that cannot be made as asked; carries the field at fault
    └── ImageSetTooLargeError   an image set with more images than are accepted; carries the limit
"""

from __future__ import annotations


class GestaltError(Exception):
    """Root of everything the project raises on purpose."""


class LabelError(GestaltError, ValueError):
    """A condition, age group, mixture or HPO term outside the vocabulary."""


class ImageError(GestaltError):
    """A picture that cannot be used."""


class UnreadableImageError(ImageError):
    """The bytes are not a picture that can be decoded."""


class NoFaceError(ImageError):
    """No face was detected."""


class DatasetError(GestaltError):
    """A data set or its table breaks the format."""


class ConfigError(GestaltError, ValueError):
    """A configuration that no network or training run can have."""


class TrainingError(GestaltError):
    """A training run that cannot go on; its last snapshot is intact."""


class CheckpointError(GestaltError):
    """Weights that do not fit, are damaged, or are not what their checksum says."""


class AuditError(GestaltError):
    """The record of who did what with photographs is broken, or cannot be written or read."""


class StorageError(GestaltError):
    """The store of images and photographs cannot be reached, or refuses; stored objects are intact."""


class PullError(GestaltError):
    """An image set that cannot be fetched; what is there is kept, and the same command goes on."""


class DirectionError(GestaltError, ValueError):
    """A direction that its examples do not support, or that does not fit what it is applied to."""


class MissingPackageError(GestaltError, ImportError):
    """A package that is not installed, and that what was asked for needs.

    Args:
        package: name under which it is imported.
        purpose: what needs it.
    """

    def __init__(self, package: str, purpose: str) -> None:
        super().__init__(
            f"{purpose}: the Python package {package!r} is needed and is not installed; install everything with "
            "`pip install 'gestaltgen[full]'`",
            name=package,
        )


class RequestError(GestaltError, ValueError):
    """An image set that cannot be made.

    Args:
        field: name of the request's field at fault, as the caller spelt it.
        message: the value, what is accepted and the remedy.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ImageSetTooLargeError(RequestError):
    """An image set with more images than are accepted.

    Args:
        field: name of the request's field at fault.
        images: number of images of the set, or of persons or seeds where there are too many of these alone.
        limit: the most images of a set.
    """

    def __init__(self, field: str, images: int, limit: int) -> None:
        super().__init__(field, f"the set would have {images} images; a set has at most {limit}: ask for several")
        self.images = images
        self.limit = limit
