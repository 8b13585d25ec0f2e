"""The REST contract stays: operation ids, paths, parameters and schema names are those of `openapi.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from api.app import create_app
from api.settings import Settings
from faces.image_set_request import MINIMA

RECORDED: Final = Path(__file__).with_name("openapi.json")

_METADATA: Final = (
    "croissant_v1_image_sets__set_id__croissant_json_get",
    "card_v1_image_sets__set_id__README_md_get",
    "gestaltmatcher_v1_image_sets__set_id__image_metadata_tsv_get",
    "phenopackets_v1_image_sets__set_id__phenopackets_jsonl_get",
)

_QUIZZES: Final = ("moodle_v1_image_sets__set_id__quiz_xml_get", "qti_v1_image_sets__set_id__quiz_zip_get")

_EXPLANATIONS: Final = (
    "list_classifiers_v1_classifiers_get",
    "create_explanation_v1_explanations_post",
    "list_explanations_v1_explanations_get",
    "list_explanations_of_photograph_v1_photos__photo_id__explanations_get",
    "list_explanations_of_image_v1_image_sets__set_id__images__n__explanations_get",
    "show_explanation_v1_explanations__explanation_id__get",
    "download_map_v1_explanations__explanation_id__maps__method__png_get",
    "erase_explanation_v1_explanations__explanation_id__delete",
)

_ASSESSMENTS: Final = (
    "list_syndromes_v1_syndromes_get",
    "create_assessment_v1_assessments_post",
    "list_assessments_v1_assessments_get",
    "list_assessments_v1_photos__photo_id__assessments_get",
    "show_assessment_v1_assessments__assessment_id__get",
    "download_assessment_picture_v1_assessments__assessment_id__picture_png_get",
    "erase_assessment_v1_assessments__assessment_id__delete",
    "join_cohort_v1_photos__photo_id__cohort_put",
    "leave_cohort_v1_photos__photo_id__cohort_delete",
)

_SHEETS_AND_ESTIMATES: Final = (
    "estimate_v1_image_sets_estimate_post",
    "printed_sheet_v1_image_sets__set_id__sheet_pdf_get",
)

_SELECTIONS: Final = (
    "selection_v1_image_sets__set_id__selection_json_get",
    "left_out_v1_image_sets__set_id__left_out_png_get",
)

_ADMINISTRATION: Final = (
    "list_keys_v1_keys_get",
    "create_key_v1_keys_post",
    "revoke_key_v1_keys__key_id__revoke_post",
    "list_tenants_v1_tenants_get",
    "limit_tenant_v1_tenants__owner__put",
)

_SURVEY_PICTURE: Final = "show_survey_picture_v1_stimuli__pack_id__versions__version___n__png_get"

ADDED_OPERATIONS: Final = frozenset(
    {
        "delete_v1_image_sets__set_id__delete",
        "describe__get",
        "face_v1_face_get",
        "model_cards_v1_models__name__cards_get",
        *_ADMINISTRATION,
        *_METADATA,
        *_QUIZZES,
        _SURVEY_PICTURE,
        "index_v1_stimuli_get",
        *_EXPLANATIONS,
        *_ASSESSMENTS,
        *_SHEETS_AND_ESTIMATES,
        *_SELECTIONS,
        *("landmarks_v1_photos__photo_id__landmarks_get", "show_v1_receipts__photo_id__get"),
    }
)
"""Operation ids that `openapi.json` does not have yet. List a new one here, or write the file again."""

ADDED_PARAMETERS: Final = frozenset(
    {
        *(("send_v1_photos_post", name) for name in ("reference", "consent-scope", "landmarks")),
        *(("send_v1_photos_post", name) for name in ("method", "steps", "seconds")),
        ("delete_v1_image_sets__set_id__delete", "set_id"),
        *((operation, "set_id") for operation in _METADATA),
        (_METADATA[-1], "individuals"),
        ("model_cards_v1_models__name__cards_get", "name"),
        ("revoke_key_v1_keys__key_id__revoke_post", "key_id"),
        ("limit_tenant_v1_tenants__owner__put", "owner"),
        ("landmarks_v1_photos__photo_id__landmarks_get", "photo_id"),
        ("show_v1_receipts__photo_id__get", "photo_id"),
    }
)
"""(operation id, name of the parameter) that `openapi.json` does not have yet."""

ADDED_SCHEMAS: Final = frozenset(
    {
        *("ServiceOut", "ServiceLinks", "ClassifierOut", "ClassifiersOut", "ClassifierUsed", "RegionRelevance"),
        *("PhotographFaceBody", "ImageFaceBody", "LandmarksOut"),
        *("StimuliPage", "ExplanationPage", "AssessmentPage"),
        *(f"Explanation{part}" for part in ("Body", "Links", "List", "Out", "Result")),
        *(f"Assessment{part}" for part in ("Body", "Links", "List", "Out", "Result")),
        *("SyndromeOut", "SyndromesOut", "CohortMemberBody", "CohortMemberOut", "CohortAnswer"),
        "ModelCardsOut",
        *("ImageSetEstimate", "EstimateOut", "NoveltyOut", "GroupOut", "ReasonOut"),
        *("KeyBody", "KeyOut", "KeysOut", "NewKeyOut", "LimitsBody", "TenantOut", "TenantsOut", "Scope"),
    }
)
"""Names of schemas that `openapi.json` does not have yet."""

ADDED_FIELDS: Final = frozenset(
    {
        *(("PhotoOut", field) for field in ("reference", "consent_scope", "cohort")),
        *(("PhotoLinks", field) for field in ("landmarks", "explanations", "assessments", "cohort")),
        ("QualityOut", "judged"),
        *(
            ("QualityOut", field)
            for field in ("landmarks", "smile", "sharpness", "eyes", "happy", "age_years", "method")
        ),
        *((body, field) for body in ("EditBody", "StimuliBody") for field in ("method", "steps", "seconds", "local")),
        *(("EditResult", field) for field in ("inversion", "sharpness", "scores", "local")),
        *(("EditResult", f"judged_{what}_{when}") for what in ("happy", "age") for when in ("before", "after")),
        ("StimuliLinks", "picture"),
        ("ImageSetBody", "total_images"),
        ("ImageSetBody", "age_steps"),
        ("ImageSetBody", "years"),
        *(
            ("ImageSetBody", field)
            for field in ("seeds_by_label", "scores", "classifier", "classifier_sha256", *MINIMA)
        ),
        ("ModelOut", "calibrated_ages"),
        ("ProblemOut", "error_count"),
        ("JobOut", "detached"),
        *(("ImageSetLinks", name) for name in ("croissant", "card", "gestaltmatcher", "phenopackets")),
        *(("ImageSetLinks", name) for name in ("printed_sheet", "selection", "left_out")),
        *(("ConditionOut", field) for field in ("label", "identifiers", "genes")),
        *(("EditBody", "apply"), ("StimuliBody", "apply"), ("EditResult", "applied")),
    }
)
"""(schema, field) that `openapi.json` does not have yet."""

Document = dict[str, Any]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Document, Document]:
    """The recorded document, and the one that the application has now."""
    settings = Settings(state=tmp_path_factory.mktemp("state"))
    return json.loads(RECORDED.read_text()), create_app(settings).openapi()


def list_operations(document: Document) -> dict[str, tuple[str, str]]:
    """Method and path of each operation, by its id."""
    return {
        operation["operationId"]: (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def list_parameters(document: Document) -> dict[tuple[str, str], tuple[str, bool]]:
    """Place and necessity of each parameter, by operation id and name."""
    return {
        (operation["operationId"], parameter["name"]): (parameter["in"], parameter["required"])
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
    }


def list_fields(document: Document) -> set[tuple[str, str]]:
    """(schema, field) of every schema."""
    return {
        (name, field)
        for name, schema in document["components"]["schemas"].items()
        for field in schema.get("properties", {})
    }


def test_operations_stay(documents: tuple[Document, Document]) -> None:
    recorded, current = map(list_operations, documents)
    assert {key: value for key, value in current.items() if key not in ADDED_OPERATIONS} == recorded


def test_parameters_stay(documents: tuple[Document, Document]) -> None:
    recorded, current = map(list_parameters, documents)
    added = {key for key in current if key in ADDED_PARAMETERS or key[0] in ADDED_OPERATIONS}
    assert {key: value for key, value in current.items() if key not in added} == recorded


def test_schemas_and_their_fields_stay(documents: tuple[Document, Document]) -> None:
    recorded, current = documents
    assert set(current["components"]["schemas"]) - ADDED_SCHEMAS == set(recorded["components"]["schemas"])
    added = {(name, field) for name, field in list_fields(current) if name in ADDED_SCHEMAS}
    assert list_fields(current) - ADDED_FIELDS - added == list_fields(recorded)


def test_what_is_added_is_there(documents: tuple[Document, Document]) -> None:
    _, current = documents
    assert set(list_operations(current)) >= ADDED_OPERATIONS
    assert set(list_parameters(current)) >= ADDED_PARAMETERS
    assert set(current["components"]["schemas"]) >= ADDED_SCHEMAS
    assert list_fields(current) >= ADDED_FIELDS
