"""A headless Chromium and the page in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.viewer.harness.driver import Harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Chromium where one is installed; else None, which is Playwright's own."""
    named = os.environ.get("NOTEBOOKVIZ_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def harness(chromium: Browser) -> Iterator[Harness]:
    """The page, ready, in a window of 1000 by 700 pixels; at the end the console must hold no error."""
    page = chromium.new_page(viewport={"width": 1000, "height": 700})
    made = Harness(page)
    assert made.started["type"] == "ready", made.started
    yield made
    page.close()
    assert made.console == []


@pytest.fixture
def make_harness(chromium: Browser) -> Iterator[Callable[..., Harness]]:
    """Makes pages with other documents or browser options."""
    pages = []

    def make(html: str | None = None, **options: object) -> Harness:
        page = chromium.new_page(viewport={"width": 1000, "height": 700}, **options)
        pages.append(page)
        return Harness(page, html)

    yield make
    for page in pages:
        page.close()
