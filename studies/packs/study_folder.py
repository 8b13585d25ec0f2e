"""Folder or zip of a study: the files of each tool, a README, and the answer key apart from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Final, TypeAlias

from core.atomic_files import check_new
from core.errors import ConfigError
from core.formats.archives import open_sink
from studies.packs.designs import Study
from studies.packs.study_images import PLACEHOLDER, StudyImages
from studies.packs.study_tables import generate_key, generate_tables
from studies.packs.tools import jspsych, limesurvey, proof_sheets, psychopy, qualtrics, redcap, tobii

GenerateFiles: TypeAlias = Callable[[Study, StudyImages], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Tool:
    """Tool that a study is exported for.

    Attributes:
        generate: generates the names and bytes of its files.
        steps: what to do with them, in Markdown.
        web_images: the images must lie on a web server, or in the tool's own library.
    """

    generate: GenerateFiles
    steps: str
    web_images: bool = False


_ADDRESSES: Final = (
    "Upload the files of `images/` first. If their addresses are not those in the survey, export again with "
    f"`--images ADDRESS`, or replace `{PLACEHOLDER}` in the files."
)

TOOLS: Final[Mapping[str, Tool]] = {
    "qualtrics": Tool(
        qualtrics.generate_files,
        f"""{_ADDRESSES} Import each `.txt` file as a survey. Then set every question to "force response", and, if the
        survey is a version, the order of its pages to random.""",
        web_images=True,
    ),
    "limesurvey": Tool(
        limesurvey.generate_files,
        f"""{_ADDRESSES} Import each `.txt` file as a survey. Export the answers as CSV with question codes as
        headings and full answers, and import them with `--questions limesurvey/columns.csv`.""",
        web_images=True,
    ),
    "redcap": Tool(
        redcap.generate_files,
        f"""{_ADDRESSES} Upload `data-dictionary.csv` (Designer, Data Dictionary). The field `list` chooses the images
        of a participant, who does not see it: fill it in each record before you send the link to its survey. Export
        the answers as CSV with labels and raw headers, and import them with `--questions redcap/columns.csv`.""",
        web_images=True,
    ),
    "jspsych": Tool(
        jspsych.generate_files,
        f"""Copy `jspsych.js`, `jspsych.css` and `plugin-html-button-response.js` from a release of jsPsych
        {jspsych.VERSIONS} (https://www.jspsych.org, licence MIT) into a new folder `jspsych/` beside `index.html`. Put
        the folder on a web server, and give each participant the link `index.html?participant=CODE` with a code of
        `orders.csv`. At the end the browser saves `answers-CODE.json`, which the participant sends back.""",
    ),
    "psychopy": Tool(
        psychopy.generate_files,
        """Open `experiment.py` in PsychoPy (2023.2 or later) and run it. It asks for a code of `orders.csv`, and writes
        `data/CODE.csv`.""",
    ),
    "tobii": Tool(
        tobii.generate_files,
        """Import the files of `images/` as stimuli; they are enlarged. `orders.csv` has the order of each participant.
        Draw the areas of interest of `areas.csv`, or draw none and let `gestaltgen study` count gaze points in
        them.""",
    ),
    "sheets": Tool(proof_sheets.generate_files, "Print the PDF files, for example to check the images."),
}


def write_study(
    out: Path, study: Study, tools: Collection[str], addresses: str | Mapping[str, str] = PLACEHOLDER
) -> None:
    """Write a study; it appears whole or not at all.

    Args:
        out: a folder that is not there yet; a name that ends in .zip makes a zip of it.
        tools: names in TOOLS.
        addresses: of the images on the web, see `StudyImages`.

    Raises:
        ConfigError: an unknown tool.
        DatasetError: something of that name is there already, or a picture cannot be read.
    """
    if unknown := [tool for tool in tools if tool not in TOOLS]:
        raise ConfigError(f"tool {unknown[0]!r}; expected some of {', '.join(TOOLS)}")
    check_new(out)
    images = StudyImages(study, addresses)
    out.parent.mkdir(parents=True, exist_ok=True)
    sink = open_sink(out)
    try:
        for name, data in _generate_all(study, images, [tool for tool in TOOLS if tool in tools]):
            sink.write(name, data)
        sink.commit()
    except BaseException:
        sink.discard()
        raise


def _generate_all(study: Study, images: StudyImages, tools: Collection[str]) -> Iterator[tuple[str, bytes]]:
    yield "README.md", _write_readme(study, tools).encode()
    yield from generate_tables(study, images)
    if any(TOOLS[tool].web_images for tool in tools):
        yield from images.generate_files("images")
    for tool in tools:
        for name, data in TOOLS[tool].generate(study, images):
            yield f"{tool}/{name}", data
    for name, data in generate_key(study):
        yield f"key/{name}", data


def _write_readme(study: Study, tools: Collection[str]) -> str:
    """Write what the folder holds and how each tool is used; it tells nothing about a single image."""
    first, last = study.presentations[0], study.presentations[-1]
    paragraphs = [
        "# Study of faces",
        study.pack.notice,
        f"{len(study.presentations)} participants see {len(first.pictures)} of {len(study.pictures)} images each, and "
        f"choose one of {len(study.survey.options)} answers. Participants have codes, from {first.participant} to "
        f"{last.participant}. Do not write down in this folder who has which.",
        "- `orders.csv`: the images of each participant in their order.",
        "- `areas.csv`, if it is there: areas of interest in pixels of the images, before they are enlarged.",
        "- `key/`: the answers. **Keep this folder from participants, and from everybody who talks to them.**",
    ]
    for tool in tools:
        paragraphs += [f"## {tool}/", TOOLS[tool].steps]
    paragraphs += [
        "## When the answers are there",
        f"`gestaltgen study import FILES --key key/key.csv --images {len(first.pictures)}`",
    ]
    return "\n\n".join(fill(" ".join(text.split()), 100, break_on_hyphens=False) for text in paragraphs) + "\n"
