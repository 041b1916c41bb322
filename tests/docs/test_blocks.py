"""The Python of README and docs runs, page by page, in a real kernel, as a reader would run it."""

from __future__ import annotations

import re

import pytest

from tests.docs.flowers import plant
from tests.docs.pages import PAGES, PYTHON, READMES, blocks
from tests.docs.readers import reader

NOT_RUN = 1
# Directives of the site, and drawings.
NOT_CODE = re.compile(r"\{(toctree|include|eval-rst)\}.*|")
DOCS = [page for page in PAGES if page not in READMES and any(block.language in PYTHON for block in blocks(page))]


def test_each_block_has_a_known_language():
    strange = [
        block.place
        for page in PAGES
        for block in blocks(page)
        if block.language not in {*PYTHON, "sh"} and not NOT_CODE.fullmatch(block.language)
    ]
    assert strange == [], "its code would not be run"
    plain = {block.page.name for page in PAGES for block in blocks(page) if not block.language}
    assert plain <= {"architecture.md"}, "a block without a language is not run"


def test_blocks_that_are_not_run_say_why_and_are_counted():
    skipped = [block for page in PAGES for block in blocks(page) if block.reason]
    assert len(skipped) == NOT_RUN, [f"{block.place}: {block.reason}" for block in skipped]
    marks = sum(len(re.findall(r"^<!-- not run\b", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert marks == NOT_RUN, "a mark stands directly above its block, as <!-- not run: why -->"


def test_both_readmes_have_the_same_code():
    english, chinese = (
        [(block.language, re.sub(r" +#.*", "", block.text)) for block in blocks(page)] for page in READMES
    )
    assert english == chinese


def test_each_link_leads_somewhere_and_pictures_are_small():
    for page in PAGES:
        for target in re.findall(r"(?:\]\(|src=\"|srcset=\")(?!https?:|#)([^)\"#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
            assert not target.endswith(".webp") or (page.parent / target).stat().st_size < 200_000, target


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader")
    with reader(folder, plant(folder)) as each:
        yield each


@pytest.mark.slow
@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.stem)
def test_python_of_the_page_runs_in_order(kernel, page):
    """That of README is run by test_packaging.py, from the wheel."""
    for block in blocks(page):
        if block.language in PYTHON and not block.reason:
            kernel.run(block.text, block.place)
    kernel.run("%reset -f\n!rm -rf runs", page.name)
