"""The package follows the order of elements and the references of QTI 2.1 and of content packaging."""

from __future__ import annotations

import io
import posixpath
import zipfile
from typing import Final
from xml.etree.ElementTree import Element

import pytest

from studies.quiz.qti import write_qti
from tests.studies.quiz.small_quiz import CHOICES, NOTICE, draw_small_quiz, parse, read

QTI: Final = "{http://www.imsglobal.org/xsd/imsqti_v2p1}"
CP: Final = "{http://www.imsglobal.org/xsd/imscp_v1p1}"


def export() -> bytes:
    file = io.BytesIO()
    write_qti(draw_small_quiz(), NOTICE, read, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export())) as package:
        return {name: package.read(name) for name in package.namelist()}


@pytest.fixture(scope="module")
def items(files: dict[str, bytes]) -> dict[str, Element]:
    return {name: parse(data) for name, data in files.items() if name.startswith("items/")}


def test_the_same_quiz_gives_the_same_bytes() -> None:
    assert export() == export()


def test_the_manifest_lists_every_file_and_every_dependency(files: dict[str, bytes]) -> None:
    manifest = parse(files["imsmanifest.xml"])
    assert [child.tag for child in manifest] == [f"{CP}{name}" for name in ("metadata", "organizations", "resources")]
    resources = manifest.findall(f"{CP}resources/{CP}resource")
    assert {file.get("href") for one in resources for file in one.iter(f"{CP}file")} == {*files} - {"imsmanifest.xml"}
    kinds = {one.get("identifier"): one.get("type") for one in resources}
    assert list(kinds.values()) == ["imsqti_test_xmlv2p1", *["imsqti_item_xmlv2p1"] * 8]
    needed = [one.get("identifierref") for one in resources[0].iter(f"{CP}dependency")]
    assert needed == [*kinds][1:]
    assert all(one.get("href") == one[0].get("href") for one in resources)


def test_the_test_refers_to_the_items(files: dict[str, bytes], items: dict[str, Element]) -> None:
    test = parse(files["test.xml"])
    [part] = test
    assert [child.tag for child in part] == [f"{QTI}itemSessionControl", f"{QTI}assessmentSection"]
    references = part.findall(f"{QTI}assessmentSection/{QTI}assessmentItemRef")
    assert {one.get("href"): one.get("identifier") for one in references} == {
        name: item.get("identifier") for name, item in items.items()
    }


def test_items_have_the_parts_of_the_specification(items: dict[str, Element]) -> None:
    for item, question in zip(items.values(), draw_small_quiz().questions, strict=True):
        assert item.tag == f"{QTI}assessmentItem"
        assert {"identifier", "title", "adaptive", "timeDependent"} <= {*item.attrib}
        assert [child.tag.removeprefix(QTI) for child in item] == [
            *("responseDeclaration", "outcomeDeclaration", "outcomeDeclaration"),
            *("itemBody", "responseProcessing", "modalFeedback"),
        ]
        options = {one.get("identifier"): one.text for one in item.iter(f"{QTI}simpleChoice")}
        right = item.findtext(f"{QTI}responseDeclaration/{QTI}correctResponse/{QTI}value")
        assert [options[right]] == [one.label for one in CHOICES if one.name == question.picture.condition]
        interaction = item.find(f"{QTI}itemBody/{QTI}choiceInteraction")
        assert interaction is not None
        assert interaction[0].tag == f"{QTI}prompt"
        declared = {one.get("identifier") for one in item.findall(f"{QTI}outcomeDeclaration")}
        assert (
            {one.get("identifier") for one in item.iter(f"{QTI}setOutcomeValue")} == declared == {"SCORE", "FEEDBACK"}
        )


def test_pictures_are_found_and_tell_nothing(files: dict[str, bytes], items: dict[str, Element]) -> None:
    for (name, item), question in zip(items.items(), draw_small_quiz().questions, strict=True):
        images = [*item.iter(f"{QTI}img")]
        shown = [files[posixpath.normpath(posixpath.join("items", one.get("src", "")))] for one in images]
        assert shown == [read(one) for one in (question.picture, question.average) if one is not None]
        told = f"{name} {images[0].attrib} {item.get('title')} {item.get('identifier')}"
        assert not any(choice.label in told or choice.name in told for choice in CHOICES)
