"""The page in a headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.viewer.harness.driver import Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser


SIZE = {"width": 1000, "height": 700}


@pytest.fixture
def harness(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Harness]:
    """The page in a window of 1000 by 700 pixels, where nothing moves unless the test is marked `motion`.

    At the end the console must hold no error.
    """
    motion = "no-preference" if request.node.get_closest_marker("motion") else "reduce"
    page = browser.new_page(viewport=SIZE, reduced_motion=motion)
    made = Harness(page)
    yield made
    page.close()
    assert made.console == []


@pytest.fixture
def make_harness(browser: Browser) -> Iterator[Callable[..., Harness]]:
    """Makes pages with other documents or browser options."""
    pages = []

    def make(html: str | None = None, **options: object) -> Harness:
        page = browser.new_page(viewport=SIZE, **options)
        pages.append(page)
        return Harness(page, html)

    yield make
    for page in pages:
        page.close()
