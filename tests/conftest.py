"""One browser for the whole run, used after the tests that need none; and what the tutorials took altogether."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from chromium import ARGUMENTS, find_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.terminal import TerminalReporter
    from playwright.sync_api import Browser

PATIENCE = 30_000  # milliseconds in which what is expected of a page comes true, on a busy machine too
TUTORIALS_MOST = 360  # seconds of processor time, which unlike the clock's do not grow on a busy machine


def pytest_configure() -> None:
    """Let tests interrupt: a shell that starts us in the background has SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright keeps an event loop running in this thread from its first use on, so its tests come last."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


def tutorials(terminalreporter: TerminalReporter) -> dict[str, tuple[float, float]]:
    """Seconds by the clock and of processor time of each tutorial that was run, by name."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    return {
        str(value[0]): (value[1], value[2])
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == "tutorial"
    }


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The tutorials must take less than six minutes."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and sum(spent for _, spent in tutorials(reporter).values()) > TUTORIALS_MOST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say what they took, and what failed the first time it was run."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"run once more: {report.nodeid}", sep="_")
        terminalreporter.write_line(report.longreprtext)
    if taken := tutorials(terminalreporter):
        clock, spent = (sum(each) for each in zip(*taken.values(), strict=True))
        each = ", ".join(f"{name} {seconds[1]:.0f}" for name, seconds in sorted(taken.items()))
        terminalreporter.write_line(
            f"{len(taken)} tutorials: {clock:.0f} s by the clock, "
            f"{spent:.0f} s of processor time (at most {TUTORIALS_MOST}): {each}"
        )


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import expect, sync_playwright

    path = find_browser()
    if path is None:
        pytest.fail("No Chromium was found. Run make test, which installs one, or set NOTEBOOKVIZ_BROWSER.")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS), headless=True)
        yield chromium
        chromium.close()
