"""Reference of the Python client: a page whose content Sphinx takes from the docstrings."""

from __future__ import annotations

from typing import Final

_CLASSES: Final = ("Client", "ImageSet", "Item", "Photo", "Edit", "Pack", "Explanation", "Assessment")
_ERRORS: Final = ("ServiceError", "JobError", "ChecksumError")
_TEXT: Final = """# Python client

```{{eval-rst}}
.. automodule:: gestaltgen_client
.. currentmodule:: gestaltgen_client
{classes}{errors}
.. autoclass:: gestaltgen_client.torch_dataset.ImageSetDataset
   :members:
```
"""


def write_client_page() -> str:
    """Return the page in Markdown with directives of Sphinx."""
    return _TEXT.format(
        classes="".join(f"\n.. autoclass:: {name}\n   :members:\n   :inherited-members:\n" for name in _CLASSES),
        errors="".join(f"\n.. autoexception:: {name}\n   :members:\n" for name in _ERRORS),
    )
