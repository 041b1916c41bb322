"""One browser for the whole run, used after the tests that need none."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from chromium import ARGUMENTS, find_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


def pytest_configure() -> None:
    """Let tests interrupt: a shell that starts us in the background has SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright keeps an event loop running in this thread from its first use on, so its tests come last."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        pytest.fail("No Chromium was found. Run make test, which installs one, or set NOTEBOOKVIZ_BROWSER.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS), headless=True)
        yield chromium
        chromium.close()
