"""axe finds nothing serious inside the page: the graph, a sidebar with code, the menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.graph import samples
from tests.graph.expected import openable

if TYPE_CHECKING:
    from tests.viewer.harness.driver import Harness

pytestmark = pytest.mark.browser


def serious(harness: Harness) -> list[tuple[str, str, str]]:
    found = Axe().run(harness.frame).response
    assert len(found["passes"]) > 10
    return [
        (rule["id"], node["html"], node["failureSummary"])
        for rule in found["violations"]
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_in_graph_sidebar_and_menu(harness: Harness, theme: str) -> None:
    recording = samples.residual()
    harness.show(recording, opened=openable(recording), theme=theme)
    assert serious(harness) == []
    harness.do("select", harness.frame.locator("[data-id='1'] .node-item").first.click)
    harness.frame.locator("#sidebar-content input[title]").first.wait_for()
    assert serious(harness) == []
    harness.frame.get_by_role("button", name="Menu").click()
    expect(harness.frame.locator("#menu")).to_have_css("opacity", "1")
    assert serious(harness) == []
