"""The page in a headless Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.viewer.harness.driver import Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser


@pytest.fixture
def harness(browser: Browser) -> Iterator[Harness]:
    """The page in a window of 1000 by 700 pixels; at the end the console must hold no error."""
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    made = Harness(page)
    yield made
    page.close()
    assert made.console == []


@pytest.fixture
def make_harness(browser: Browser) -> Iterator[Callable[..., Harness]]:
    """Makes pages with other documents or browser options."""
    pages = []

    def make(html: str | None = None, **options: object) -> Harness:
        page = browser.new_page(viewport={"width": 1000, "height": 700}, **options)
        pages.append(page)
        return Harness(page, html)

    yield make
    for page in pages:
        page.close()
