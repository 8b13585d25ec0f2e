"""Journeys of a researcher and of a doctor: answers become a report, and maps of a classifier lie over a face."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.api.lab import WAIT, Lab, good
from tests.studio_browser.conftest import Visit, check_accessibility

SET = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 1, "seed": 5}
KEY = b"image,face,condition,variant\na,1,WS,unedited\nb,2,other,unedited\n"
ANSWERS = "participant,image,answer\n" + "".join(f"P{n},a,WS\nP{n},b,{('WS', 'other')[n % 2]}\n" for n in range(6))


def test_answers_become_a_report(lab: Lab, visit: Visit) -> None:
    page = visit(lab.http, "/studio/studies/answers")
    for name, data in (("answers", ANSWERS.encode()), ("key", KEY)):
        page.set_input_files(f"#{name}", {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": data})
    page.get_by_role("button", name="Show the report").click(timeout=120_000)
    expect(page.get_by_role("heading", name="Accuracy", exact=True)).to_be_visible(timeout=120_000)
    check_accessibility(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert download.value.suggested_filename == "study-report.zip"


def test_a_slider_sets_how_strongly_a_map_covers_the_face(lab: Lab, visit: Visit) -> None:
    set_id = good(lab.http.post("/v1/image-sets", json=SET, headers=WAIT))["id"]
    body = {"face": {"image_set": set_id, "image": 0}, "methods": ["gradient"]}
    explanation = good(lab.http.post("/v1/explanations", json=body, headers=WAIT))["id"]
    page = visit(lab.http, f"/studio/explanations/{explanation}")
    covering = page.get_by_alt_text("Map of what the classifier uses")
    expect(covering).to_have_css("opacity", "0.6")
    page.get_by_label("How strongly the map covers the face").fill("25")
    expect(covering).to_have_css("opacity", "0.25")
