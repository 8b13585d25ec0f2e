"""Files that are copied into an experiment as they are: the page of jsPsych and the script of PsychoPy.

The script has the ending .txt here, since it runs where PsychoPy is installed and is no module of ours.
"""

from __future__ import annotations

from importlib.resources import files


def read_template(name: str) -> bytes:
    """Read a file of this folder."""
    return files(__name__).joinpath(name).read_bytes()
