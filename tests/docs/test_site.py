"""The site builds without a warning, and the panels in its pages open and close, in the site's own colours."""

from __future__ import annotations

import subprocess
import sys

import pytest
from driver import wait_until

from tests.docs.pages import PAGES, READMES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]
RUN = "04-convolution"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Built as by ``make docs``, but of the tutorials one is run; its Chinese version takes what that gave."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-t", "quick"),
            *("-D", f"nb_execution_cache_path={folder / 'executed'}"),
            *("-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")),
        ],
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    requests, errors = [], []
    context.on("request", lambda request: requests.append(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    yield page
    context.close()
    assert errors == []
    assert [url for url in requests if url.startswith("http")] == [], "a page asks another host"


def test_each_page_and_tutorial_is_there(site):
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    wanted = {page.stem for page in PAGES if page not in READMES}
    wanted |= {
        f"tutorials/{path.relative_to(ROOT / 'notebooks').with_suffix('').as_posix()}"
        for path in (ROOT / "notebooks").rglob("*.ipynb")
    }
    assert wanted <= made


def test_reference_has_each_public_name(site):
    import notebookviz

    text = (site / "api.html").read_text()
    missing = [name for name in notebookviz.__all__ if f'id="notebookviz.{name}"' not in text]
    assert missing == []


@pytest.mark.parametrize("place", ["tutorials", "tutorials/zh"])
def test_tutorial_is_rendered_with_what_its_cells_gave(site, page, place):
    page.goto(f"file://{site}/{place}/{RUN}.html")
    page.locator("[data-notebookviz-picture]").first.scroll_into_view_if_needed()  # a panel opens when it is in sight
    graph = page.frame_locator("iframe.netron").first
    graph.locator("svg g.node[data-id]").first.wait_for()
    assert page.locator(".cell_output img").count() >= 2
    assert page.get_by_text("All four pass with this kernel.", exact=False).last.is_visible()
    solution = page.locator(".tag_solution .cell_input", has_text="assert table.total_params").first
    assert not solution.is_visible()
    page.get_by_text("参考答案").first.click()
    assert solution.is_visible()


def test_panel_in_a_page_opens_and_closes(site, page):
    page.goto(f"file://{site}/quickstart.html")
    graph = page.frame_locator("iframe.netron").first
    frames = graph.locator("svg .cluster[data-id]")

    def ids():
        return set(frames.evaluate_all("found => found.map(frame => frame.dataset.id)"))

    toggle = graph.locator("svg g.node[data-id] .nbv-toggle").first
    toggle.wait_for()
    before = ids()
    toggle.click()
    (opened,) = wait_until(lambda: ids() - before, "a module is opened")
    graph.locator(f'svg .cluster[data-id="{opened}"] .nbv-title-toggle').click()
    wait_until(lambda: ids() == before, "it is closed again")


def test_file_in_a_page_is_drawn(site, page):
    page.goto(f"file://{site}/quickstart.html")
    cell = page.locator(".cell_output", has_text="conv1.safetensors")
    cell.scroll_into_view_if_needed()
    cell.frame_locator("iframe.netron").locator("svg g.node", has_text="weight").wait_for()


def test_panel_in_a_page_follows_the_theme_that_is_chosen_there(site, page):
    page.goto(f"file://{site}/index.html")
    panel = page.locator(".notebookviz .root").first
    colour = "found => [getComputedStyle(found).color, getComputedStyle(document.body).color]"
    assert panel.evaluate(colour) == ["rgb(0, 0, 0)"] * 2
    page.locator("button.theme-toggle:visible").click()
    wait_until(lambda: panel.evaluate(colour) == ["rgb(207, 208, 208)"] * 2, "page and panel are dark")
