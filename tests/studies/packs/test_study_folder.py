from __future__ import annotations

import csv
import io
import json
import py_compile
import re
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigError, DatasetError
from studies.answers.exclusions import ExclusionRules
from studies.answers.importer import ReadingRules, import_answers
from studies.answers.key import read_answer_key
from studies.answers.wide_csv import read_question_columns
from studies.packs import study_folder
from studies.packs.designs import Study, Survey, design_samples, design_versions
from studies.packs.face_datasets import read_face_dataset
from studies.packs.study_folder import TOOLS, write_study
from studies.packs.survey_packs import read_survey_pack
from studies.packs.tools.limesurvey import name_question
from tests.studies.packs.small_packs import SIDE, dataset_files, pack_files, write_files

OPTIONS = ("WS", "Noonan", "unaffected")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = write_files(tmp_path_factory.mktemp("packs") / "pack.zip", pack_files())
    return design_versions(read_survey_pack(path), Survey(OPTIONS), 3, seed=1)


@pytest.fixture(scope="module")
def folder(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("studies") / "new" / "study"
    write_study(out, study, TOOLS, "https://example.org/faces/")
    return out


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig")), delimiter=delimiter))


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def test_the_key_is_read_back_and_nothing_else_tells_the_truth(study: Study, folder: Path) -> None:
    key = read_answer_key(folder)
    assert {code: image.options for code, image in key.items()} == dict.fromkeys(key, OPTIONS)
    for picture in study.pictures:
        assert key[picture.code].condition == picture.key.condition
        assert key[picture.code].variant == picture.key.variant
        assert key[picture.code].face == picture.key.face
    assert json.loads((folder / "key" / "study.json").read_text())["seed"] == 1
    for name, data in files_of(folder):
        if not name.startswith("key/"):
            assert not re.search(rb"secret|reconstructed|truth|colour", data), name
    comments = set()
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            comments.add(tuple(image.info.items()))
    assert comments == {(("Comment", study.pack.notice),)}


def test_orders_and_areas_are_those_of_the_study(study: Study, folder: Path) -> None:
    orders = read_table(folder / "orders.csv")
    for one in study.presentations:
        lines = [line for line in orders if line["participant"] == one.participant]
        assert [line["image"] for line in lines] == [picture.code for picture in one.pictures]
        assert {line["version"] for line in lines} == {one.version}
    (small, *_), (large, *_) = read_table(folder / "areas.csv"), read_table(folder / "tobii" / "areas.csv")
    assert [small[side] for side in ("left", "top", "right", "bottom", "width")] == ["2", "3", "9", "11", str(SIDE)]
    assert [large[side] for side in ("left", "top", "right", "bottom", "width")] == ["90", "135", "449", "539", "720"]
    with Image.open(folder / "tobii" / "images" / f"{large['image']}.png") as image:
        assert image.size == (720, 720)


def test_qualtrics_has_a_question_with_the_code_of_each_image(study: Study, folder: Path) -> None:
    assert {path.name for path in (folder / "qualtrics").iterdir()} == {"A.txt", "B.txt"}
    text = (folder / "qualtrics" / "A.txt").read_text()
    assert text.startswith("[[AdvancedFormat]]\n")
    names = re.findall(r"\[\[ID:(.*)\]\]", text)
    codes = [picture.code for picture in study.lists["A"]]
    assert names == ["participant", *(f"{code}{what}" for code in codes for what in ("", "_confidence", "_time"))]
    assert text.count("[[PageBreak]]") == len(codes)
    for code in codes:
        assert f'<img src="https://example.org/faces/{code}.png"' in text
        assert (folder / "images" / f"{code}.png").is_file()
    question = text.split(f"[[ID:{codes[0]}]]\n")[1].split("\n\n")[0]
    assert question.split("[[Choices]]\n")[1].split("\n") == list(OPTIONS)


def test_limesurvey_and_redcap_have_legal_names_of_every_question(study: Study, folder: Path) -> None:
    rows = read_table(folder / "limesurvey" / "B.txt", "\t")
    questions = [row for row in rows if row["class"] == "Q"]
    codes = [picture.code for picture in study.lists["B"]]
    names = [name_question(code, asked) for code in codes for asked in ("answer", "confidence")]
    assert [row["name"] for row in questions] == ["participant", *names]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,19}", name) for name in names)
    assert [row["text"] for row in rows if row["class"] == "A" and row["id"] == questions[1]["id"]] == list(OPTIONS)
    assert len({row["id"] for row in questions}) == len(questions)

    fields = read_table(folder / "redcap" / "data-dictionary.csv")
    assert len(fields[0]) == 18
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,25}", row["Variable / Field Name"]) for row in fields)
    shown = {row["Variable / Field Name"]: row["Branching Logic (Show field only if...)"] for row in fields}
    assert shown[codes[0].lower()] == shown[f"{codes[0].lower()}_confidence"] == "[list] = '2'"
    assert [row["Variable / Field Name"] for row in fields[:2]] == ["record_id", "participant"]
    assert [row["Variable / Field Name"] for row in fields if row["Field Annotation"] == "@HIDDEN-SURVEY"] == ["list"]
    for tool in ("limesurvey", "redcap"):
        columns = read_table(folder / tool / "columns.csv")
        assert {(line["image"], line["field"]) for line in columns} == {
            (picture.code, asked) for picture in study.pictures for asked in ("answer", "confidence")
        }


def test_exports_of_redcap_name_participants_by_their_code(folder: Path, tmp_path: Path) -> None:
    """REDCap numbers the records of a survey; the code is what the participant typed."""
    [first, *_] = read_table(folder / "redcap" / "columns.csv")
    path = tmp_path / "export.csv"
    path.write_text(f"record_id,participant,list,{first['column']},images_complete\n1,P007,1,2,2\n")
    questions = read_question_columns(folder / "redcap" / "columns.csv")
    reading = ReadingRules(questions=questions, labels={"2": OPTIONS[1]})
    imported = import_answers([path], read_answer_key(folder), ExclusionRules(images=1), reading)
    assert [(one.participant, one.image, one.answer) for one in imported.answers] == [
        ("P007", first["image"], OPTIONS[1])
    ]


def test_the_page_of_jspsych_has_everybodys_order_and_all_images(study: Study, folder: Path) -> None:
    head, _, text = (folder / "jspsych" / "study.js").read_text().partition("const study = ")
    settings = json.loads(text.rstrip().removesuffix(";"))
    assert head == '"use strict";\n'
    assert settings["options"] == list(OPTIONS)
    for one in study.presentations:
        assert settings["participants"][one.participant]["images"] == [picture.code for picture in one.pictures]
    page = (folder / "jspsych" / "index.html").read_text()
    local = [name for name in re.findall(r'(?:src|href)="([^"]+)"', page) if not name.startswith("jspsych/")]
    assert local
    assert all((folder / "jspsych" / name).is_file() for name in local)
    assert {path.stem for path in (folder / "jspsych" / "images").iterdir()} == {one.code for one in study.pictures}


def test_the_script_of_psychopy_asks_about_each_image_and_its_answers_are_imported(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PsychoPy is replaced by objects with the methods that the script calls: what it draws is not tested."""
    shown: list[str] = []
    pretend_psychopy(monkeypatch, study.presentations[0].participant, shown)
    script = folder / "psychopy" / "experiment.py"
    py_compile.compile(str(script), cfile=str(tmp_path / "compiled"), doraise=True)
    names: dict[str, Any] = {"__file__": str(script), "__name__": "experiment"}
    exec(script.read_text(), names)  # noqa: S102
    names["main"]()
    results = folder / "psychopy" / "data" / "P001.csv"
    pictures = study.presentations[0].pictures
    assert [Path(name).stem for name in dict.fromkeys(shown)] == [picture.code for picture in pictures]
    imported = import_answers([results], read_answer_key(folder))
    assert [answer.image for answer in imported.answers] == [picture.code for picture in pictures]
    assert {answer.answer for answer in imported.answers} == {OPTIONS[1]}
    assert {(answer.confidence, answer.seconds, answer.participant) for answer in imported.answers} == {
        (2, 1.5, "P001")
    }
    results.unlink()
    results.parent.rmdir()


def pretend_psychopy(monkeypatch: pytest.MonkeyPatch, participant: str, shown: list[str]) -> None:
    class Anything:
        def __init__(self, *_: Any, **settings: Any) -> None:
            self.image = ""

        def draw(self) -> None:
            if self.image:
                shown.append(self.image)

        def flip(self) -> None: ...
        def close(self) -> None: ...

    class Dialogue:
        OK = True

        def __init__(self, info: dict[str, str], title: str) -> None:
            info["participant"] = f" {participant.lower()}"

    class Experiment:
        def __init__(self, extraInfo: dict[str, str], **_: Any) -> None:
            self.info, self.rows, self.row = extraInfo, list[dict[str, Any]](), dict[str, Any]()

        def addLoop(self, loop: Any) -> None:  # noqa: N802
            loop.experiment = self

        def nextEntry(self) -> None:  # noqa: N802
            self.rows.append(self.row | self.info)
            self.row = {}

        def saveAsWideText(self, name: str, delim: str) -> None:  # noqa: N802
            with open(name, "w", newline="") as file:
                table = csv.DictWriter(file, self.rows[0], delimiter=delim)
                table.writeheader()
                table.writerows(self.rows)

        def abort(self) -> None: ...

    class Trials:
        experiment: Experiment

        def __init__(self, trials: list[dict[str, str]], nReps: int, method: str, name: str) -> None:
            assert (nReps, method) == (1, "sequential")
            self.trials = trials

        def __iter__(self) -> Iterator[dict[str, str]]:
            for trial in self.trials:
                self.experiment.row |= trial
                yield trial

        def addData(self, name: str, value: Any) -> None:  # noqa: N802
            self.experiment.row[name] = value

    def wait_keys(keyList: list[str], timeStamped: Any) -> list[tuple[str, float]]:
        return [(keyList[min(1, len(keyList) // 2 - 1)], 1.5)]

    modules: dict[str, dict[str, Any]] = {
        "core": {"Clock": object, "quit": lambda: None},
        "data": {
            "ExperimentHandler": Experiment,
            "TrialHandler": Trials,
            "importConditions": lambda name: read_table(Path(name)),
            "getDateStr": lambda: "2024-01-01_09h00.00.000",
        },
        "event": {"waitKeys": wait_keys},
        "gui": {"DlgFromDict": Dialogue},
        "visual": {"Window": Anything, "ImageStim": Anything, "TextStim": Anything},
    }
    package = types.ModuleType("psychopy")
    package.__dict__["__version__"] = "2024.1"
    for name, members in modules.items():
        module = types.ModuleType(f"psychopy.{name}")
        module.__dict__.update(members)
        package.__dict__[name] = module
    monkeypatch.setitem(sys.modules, "psychopy", package)


def test_proof_sheets_are_pdf_files_of_each_version(folder: Path) -> None:
    sheets = dict(files_of(folder / "sheets"))
    assert {*sheets} == {"A.pdf", "B.pdf"}
    assert all(data.startswith(b"%PDF-") for data in sheets.values())


def test_the_same_study_has_the_same_bytes_and_a_zip_has_the_same_files(
    study: Study, folder: Path, tmp_path: Path
) -> None:
    write_study(tmp_path / "again.zip", study, TOOLS, "https://example.org/faces/")
    with zipfile.ZipFile(tmp_path / "again.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == dict(files_of(folder))


def test_a_study_appears_whole_or_not_at_all(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(study_folder, "generate_key", fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        write_study(tmp_path / "study", study, ["qualtrics"])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused(study: Study, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        write_study(folder, study, ["qualtrics"])
    with pytest.raises(ConfigError):
        write_study(tmp_path / "study", study, ["paper"])
    with pytest.raises(ConfigError):
        write_study(tmp_path / "study", study, ["qualtrics"], 'javascript:"')
    with pytest.raises(DatasetError):
        write_study(tmp_path / "study", study, ["qualtrics"], {study.pictures[0].code: "https://example.org/a.png"})
    assert list(tmp_path.iterdir()) == []


def test_samples_have_a_list_for_each_participant(tmp_path: Path) -> None:
    path = write_files(tmp_path / "faces", dataset_files(2))
    survey = Survey(("WS", "other"), confidence=False)
    study = design_samples(read_face_dataset(path, survey.options, 5, 1), survey, 4, 2, per_condition=3)
    write_study(tmp_path / "study", study, TOOLS)
    out = tmp_path / "study"
    assert {path.stem for path in (out / "qualtrics").iterdir()} == {one.participant for one in study.presentations}
    assert "confidence" not in (out / "qualtrics" / "P001.txt").read_text()
    assert {path.name for path in (out / "sheets").iterdir()} == {"all.pdf"}
    assert {image.age_group for image in read_answer_key(out).values()} >= {"infant", "child"}
    assert not np.any([b"secret" in data for name, data in files_of(out) if not name.startswith("key/")])
