"""Quizzes as QTI 2.1 content packages, which most learning platforms import.

Format: "IMS Question and Test Interoperability", version 2.1, and "IMS Content Packaging", version 1.1. The zip has
imsmanifest.xml, test.xml, an item for each question, and the pictures. Names of files do not tell the answers.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from typing import IO, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from studies.quiz.questions import Question, Quiz, QuizPicture
from studies.quiz.wording import PROMPT, explain_answer, name_quiz, show_question

_ITEM: Final = "http://www.imsglobal.org/xsd/imsqti_v2p1"
_PACKAGE: Final = "http://www.imsglobal.org/xsd/imscp_v1p1"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMAS: Final = {
    _ITEM: f"{_ITEM} http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd",
    _PACKAGE: f"{_PACKAGE} http://www.imsglobal.org/xsd/qti/qtiv2p1/qtiv2p1_imscpv1p2_v1p0.xsd",
}
_ANSWER: Final = "ANSWER"


def write_qti(quiz: Quiz, notice: str, read: Callable[[QuizPicture], bytes], file: IO[bytes]) -> None:
    """Write a quiz as a zip in QTI 2.1. The same quiz gives the same bytes.

    Args:
        notice: statement that the pictures are synthetic, shown with each answer.
        read: returns the JPEG file of a picture.
    """
    means = list(dict.fromkeys(question.average for question in quiz.questions if question.average is not None))
    addresses = {mean: f"pictures/average-{number:03d}.jpg" for number, mean in enumerate(means, start=1)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as package:

        def add(name: str, data: bytes) -> None:
            package.writestr(zipfile.ZipInfo(name), data)

        add("imsmanifest.xml", _serialise(_write_manifest(quiz, addresses)))
        add("test.xml", _serialise(_write_test(quiz)))
        for question in quiz.questions:
            mean = None if question.average is None else addresses[question.average]
            add(_item_name(question), _serialise(_write_item(quiz, question, mean, notice)))
            add(_picture_name(question), read(question.picture))
        for picture, address in addresses.items():
            add(address, read(picture))


def _item_name(question: Question) -> str:
    return f"items/{_identify(question)}.xml"


def _picture_name(question: Question) -> str:
    return f"pictures/{_identify(question)}.jpg"


def _identify(question: Question) -> str:
    return f"picture-{question.number:03d}"


def _write_manifest(quiz: Quiz, addresses: dict[QuizPicture, str]) -> Element:
    manifest = _begin("manifest", _PACKAGE, {"identifier": "quiz-package"})
    metadata = SubElement(manifest, "metadata")
    SubElement(metadata, "schema").text = "QTIv2.1 Package"
    SubElement(metadata, "schemaversion").text = "1.0.0"
    SubElement(manifest, "organizations")
    resources = SubElement(manifest, "resources")
    items = [f"item-{_identify(question)}" for question in quiz.questions]
    _add_resource(resources, "test", "imsqti_test_xmlv2p1", ["test.xml"], items)
    for question, item in zip(quiz.questions, items, strict=True):
        files = [_item_name(question), _picture_name(question)]
        if question.average is not None:
            files.append(addresses[question.average])
        _add_resource(resources, item, "imsqti_item_xmlv2p1", files)
    return manifest


def _add_resource(
    resources: Element, identifier: str, kind: str, files: Sequence[str], needed: Sequence[str] = ()
) -> None:
    """Add a resource; the first of its files is the one that is opened."""
    resource = SubElement(resources, "resource", {"identifier": identifier, "type": kind, "href": files[0]})
    for file in files:
        SubElement(resource, "file", {"href": file})
    for other in needed:
        SubElement(resource, "dependency", {"identifierref": other})


def _write_test(quiz: Quiz) -> Element:
    test = _begin("assessmentTest", _ITEM, {"identifier": "quiz", "title": name_quiz(quiz)})
    part = SubElement(
        test, "testPart", {"identifier": "part", "navigationMode": "linear", "submissionMode": "individual"}
    )
    SubElement(part, "itemSessionControl", {"maxAttempts": "1", "showFeedback": "true"})
    section = SubElement(
        part, "assessmentSection", {"identifier": "section", "title": name_quiz(quiz), "visible": "true"}
    )
    for question in quiz.questions:
        SubElement(
            section, "assessmentItemRef", {"identifier": f"item-{_identify(question)}", "href": _item_name(question)}
        )
    return test


def _write_item(quiz: Quiz, question: Question, mean: str | None, notice: str) -> Element:
    about = {"identifier": f"item-{_identify(question)}", "title": f"Picture {question.number:03d}"}
    item = _begin("assessmentItem", _ITEM, {**about, "adaptive": "false", "timeDependent": "false"})
    options = {choice.name: f"choice-{number}" for number, choice in enumerate(quiz.choices, start=1)}
    response = {"identifier": "RESPONSE", "cardinality": "single", "baseType": "identifier"}
    right = SubElement(SubElement(item, "responseDeclaration", response), "correctResponse")
    SubElement(right, "value").text = options[question.picture.condition]
    score = {"identifier": "SCORE", "cardinality": "single", "baseType": "float"}
    SubElement(SubElement(SubElement(item, "outcomeDeclaration", score), "defaultValue"), "value").text = "0"
    SubElement(
        item, "outcomeDeclaration", {"identifier": "FEEDBACK", "cardinality": "single", "baseType": "identifier"}
    )
    body = SubElement(item, "itemBody")
    SubElement(body, "p").append(show_question(quiz, question, f"../{_picture_name(question)}"))
    interaction = SubElement(
        body, "choiceInteraction", {"responseIdentifier": "RESPONSE", "shuffle": "false", "maxChoices": "1"}
    )
    SubElement(interaction, "prompt").text = PROMPT
    for choice in quiz.choices:
        SubElement(interaction, "simpleChoice", {"identifier": options[choice.name]}).text = choice.label
    item.append(_write_processing())
    feedback = SubElement(
        item, "modalFeedback", {"outcomeIdentifier": "FEEDBACK", "showHide": "show", "identifier": _ANSWER}
    )
    feedback.extend(explain_answer(quiz, question, mean and f"../{mean}", notice))
    return item


def _write_processing() -> Element:
    """Return the rules: 1 for the right answer, and the explanation after any."""
    processing = Element("responseProcessing")
    matched = SubElement(SubElement(processing, "responseCondition"), "responseIf")
    match = SubElement(matched, "match")
    SubElement(match, "variable", {"identifier": "RESPONSE"})
    SubElement(match, "correct", {"identifier": "RESPONSE"})
    _set_outcome(matched, "SCORE", "float", "1")
    _set_outcome(processing, "FEEDBACK", "identifier", _ANSWER)
    return processing


def _set_outcome(parent: Element, name: str, kind: str, value: str) -> None:
    rule = SubElement(parent, "setOutcomeValue", {"identifier": name})
    SubElement(rule, "baseValue", {"baseType": kind}).text = value


def _begin(name: str, namespace: str, attributes: dict[str, str]) -> Element:
    """Begin a document whose elements are all of one namespace."""
    root = {"xmlns": namespace, "xmlns:xsi": _INSTANCE, "xsi:schemaLocation": _SCHEMAS[namespace]}
    return Element(name, root | attributes)


def _serialise(document: Element) -> bytes:
    indent(document, " ")
    data: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return data
