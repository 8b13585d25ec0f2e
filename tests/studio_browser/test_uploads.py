"""An upload that is cut off."""

from __future__ import annotations

from faces.images import Pixels
from tests.api.lab import Lab, good, saved
from tests.studio_browser.conftest import Visit


def test_an_upload_that_is_cut_off_leaves_nothing(lab: Lab, visit: Visit, astronaut: Pixels) -> None:
    before = good(lab.http.get("/v1/photos"))["items"]
    page = visit(lab.http, "/studio/photographs/new")
    network = page.context.new_cdp_session(page)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 50_000},
    )
    page.get_by_label("Photograph", exact=True).set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": saved(astronaut, "PNG") * 8}
    )
    page.get_by_label("Consent", exact=True).fill("form 1")
    page.get_by_label("Purpose").fill("research")
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Send").click(no_wait_after=True)
    page.close()
    lab.idle()
    assert good(lab.http.get("/v1/photos"))["items"] == before
    assert lab.http.get("/readyz").status_code == 200
