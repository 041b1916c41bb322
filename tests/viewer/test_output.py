"""The script in a notebook's output, where the output with what all panels share is gone or not in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from notebookviz.graph.encode import pack
from notebookviz.viewer.output import output_script
from notebookviz.viewer.static import Contents
from tests.graph import samples

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

RUN = "([id, script]) => new Function('element', script)(document.getElementById(id))"
REMARK = "If that was deleted, run this cell again."


def test_a_panel_whose_share_is_missing_says_so_and_opens_when_it_comes(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    page.set_content('<div id="first"></div><div id="second" style="height: 40px"></div>')
    contents = Contents({"kind": "structure", "name": "Net"}, pack(samples.residual()))
    page.evaluate(RUN, ["second", output_script("two", contents, 500, whole=False)])
    page.get_by_text(REMARK).wait_for()
    assert page.locator("iframe").count() == 0
    page.evaluate(RUN, ["first", output_script("one", contents, 500)])
    page.locator("#second iframe.netron").wait_for()
    assert page.get_by_text(REMARK).count() == 0
    page.close()
