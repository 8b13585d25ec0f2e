"""Two owners, who see nothing of each other's in the studio."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.api.lab import Lab
from tests.studio_browser.conftest import Visit

LISTS = ("image-sets", "photographs", "studies", "explanations", "assessments", "jobs")


def test_what_another_owner_has_is_not_found_and_not_listed(
    lab: Lab, visit: Visit, addresses: Mapping[str, str]
) -> None:
    ids = {part: address for address in addresses.values() for part in re.findall(r"/([0-9a-f]{32}[^/]*)", address)}
    assert len(ids) >= 6
    window = visit(lab.other)
    for address in set(ids.values()):
        window.goto(address)
        assert "404" in str(window.context.request.get(address).status), address
        assert window.get_by_role("alert").is_visible()
        assert window.locator("main img").count() == 0
    for name in LISTS:
        window.goto(f"/studio/{name}")
        listed = window.content()
        assert not [one for one in ids if one in listed], name


def test_a_key_for_image_sets_is_offered_nothing_of_photographs(
    lab: Lab, visit: Visit, addresses: Mapping[str, str]
) -> None:
    window = visit(lab.sets_only)
    offered = {link.get_attribute("href") for link in window.get_by_role("link").all()}
    assert "/studio/image-sets" in offered
    assert not offered & {"/studio/photographs", "/studio/studies", "/studio/assessments", "/studio/keys"}
    for name in ("photographs", "studies", "assessments", "keys", "tenants"):
        assert window.context.request.get(f"/studio/{name}").status == 403
    assert window.context.request.get(addresses["/studio/photographs/{photo_id}"]).status == 403
