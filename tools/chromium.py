"""Find a Chromium for the tests and benchmarks, or install one.

Order: the environment variable NOTEBOOKVIZ_BROWSER, a Chromium or Chrome on the path, Playwright's own, then (with
``--install``) apt where we may use it, then a download by Playwright.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str | None:
    """Path of a Chromium that is there, or ``None``."""
    named = os.environ.get("NOTEBOOKVIZ_BROWSER")
    if named:
        return named if Path(named).exists() else None
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    return _playwrights_own()


def install_browser() -> str | None:
    """Find a Chromium, else install one; ``None`` when none can be had."""
    return find_browser() or _install_with_apt() or _install_with_playwright()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _install_with_apt() -> str | None:
    if shutil.which("apt-get") is None:
        return None
    as_root: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], check=False, capture_output=True).returncode:
            return None
        as_root = [sudo, "-n"]
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        if subprocess.run([*as_root, "apt-get", *command], check=False).returncode:
            return None
    return find_browser()


def _install_with_playwright() -> str | None:
    may_add_libraries = ["--with-deps"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "playwright", "install", *may_add_libraries, "chromium"]
    subprocess.run(command, check=False)
    return _playwrights_own()


def main() -> int:
    """Print the browser's path; exit code 1 where there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install one where none is found")
    options = parser.parse_args()
    browser = install_browser() if options.install else find_browser()
    if browser is None:
        print(
            "No Chromium was found or could be installed. Run: apt-get install chromium, "
            "or set NOTEBOOKVIZ_BROWSER to the path of one.",
            file=sys.stderr,
        )
        return 1
    print(browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
