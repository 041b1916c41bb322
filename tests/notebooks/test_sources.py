"""The committed notebooks are what their sources give, in both languages, without outputs."""

from __future__ import annotations

import re

import jupytext
import nbformat
import pytest
from markdown_it import MarkdownIt

import notebooks

SOURCES = sorted(notebooks.SOURCES.glob("*.py"))
EACH = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
MARKDOWN = MarkdownIt("commonmark").enable("table")
CHINESE = re.compile("[\u4e00-\u9fff]")
NO_WORDS = re.compile(r"`[^`]*`|\$+[^$]*\$+|<[^>]*>|\]\([^)]*\)")  # code, formulas, tags, addresses


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_there_is_one_source_for_each_notebook():
    stems = [source.stem for source in SOURCES]
    assert stems[0] == "01-quickstart"
    for folder in notebooks.LANGUAGES.values():
        assert sorted(path.stem for path in folder.glob("*.ipynb")) == stems


@EACH
def test_notebooks_are_what_their_source_gives(source):
    for path, text in notebooks.build(source).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} differs from its source; run make notebooks"


def test_the_table_of_tutorials_is_up_to_date():
    assert (notebooks.NOTEBOOKS / "README.md").read_text(encoding="utf-8") == notebooks.contents()
    assert notebooks.contents().count("\n| [") == len(SOURCES)


@EACH
def test_no_outputs_are_committed(source):
    for path in notebooks.build(source):
        for cell in read(path).cells:
            assert not cell.get("outputs"), f"{path}: a cell has outputs"
            assert cell.get("execution_count") is None, f"{path}: a cell has an execution count"


@EACH
def test_both_languages_have_the_same_cells(source):
    english, chinese = (read(path).cells for path in notebooks.build(source))
    assert [cell.id for cell in english] == [cell.id for cell in chinese]
    assert len({cell.id for cell in english}) == len(english)
    for one, other in zip(english, chinese, strict=True):
        assert one.cell_type == other.cell_type
        if one.cell_type == "code":
            assert one == other
        else:
            assert not CHINESE.search(one.source.replace("[中文版]", "")), one.source
            assert CHINESE.search(other.source), other.source
            for line in other.source.splitlines():
                words = re.findall("[A-Za-z]{2,}", NO_WORDS.sub("", line))
                assert len(words) < 3 or CHINESE.search(line), f"not translated: {line}"


@EACH
def test_there_are_exercises_with_solutions(source):
    cells = read(notebooks.NOTEBOOKS / f"{source.stem}.ipynb").cells
    exercises = [
        cell for cell in cells if cell.cell_type == "markdown" and re.search("^#+ Exercise", cell.source, re.MULTILINE)
    ]
    solutions = [cell for cell in cells if "solution" in cell.metadata.get("tags", ())]
    assert exercises
    assert solutions
    for cell in solutions:
        assert "assert" in cell.source, f"A solution that checks nothing: {cell.source}"
        assert cell.source.startswith("# Solution\n")  # the line that is seen while the cell is folded
        assert cell.metadata["jupyter"] == {"source_hidden": True}


@EACH
def test_bold_and_links_are_read_as_such(source):
    """In Chinese text ** beside a full stop is easily left as it stands."""
    for path in notebooks.build(source):
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                text = re.sub("<code.*?</code>", "", MARKDOWN.render(cell.source), flags=re.DOTALL)
                assert "**" not in text, cell.source
                assert "](" not in text, cell.source


@EACH
def test_links_lead_to_files(source):
    for path in notebooks.build(source):
        links = re.findall(r"\]\(([^):#]+)\)", "\n".join(cell.source for cell in read(path).cells))
        assert links, "The other language is linked, at least."
        assert [link for link in links if not (path.parent / link).is_file()] == [], path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('# %% [markdown] lang="en"\n# One\n\n# %%\nx = 1\n', "x = 1"),
        ('# %% [markdown] lang="zh"\n# 一\n\n# %% [markdown] lang="en"\n# One\n', "一"),
        ("# %% [markdown]\n# One\n", "One"),
        ('# %%\nx = 1\n\n# %% [markdown] lang="en"\n# Last\n', ""),
    ],
)
def test_a_text_without_its_other_language_is_refused(tmp_path, text, named):
    source = tmp_path / "99-broken.py"
    source.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f'99-broken.py: at {named!r} a text cell lang="en"'):
        notebooks.build(source)


def test_an_edit_changes_the_id_of_its_own_cell_only(tmp_path):
    source = tmp_path / "99-edited.py"

    def ids():
        english, _ = notebooks.build(source).values()
        return [cell.id for cell in nbformat.reads(english, as_version=4).cells]

    source.write_text("# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\n# %netron x\n", encoding="utf-8")
    before = ids()
    source.write_text("# %%\nx = 1\n\n# %%\nx = 1\n\n# %%\n# %netron y\n", encoding="utf-8")
    after = ids()
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert len(set(before)) == 3


def test_magics_are_comments_in_the_source_and_magics_in_the_notebook():
    source = notebooks.SOURCES / "01-quickstart.py"
    assert "\n# %load_ext notebookviz\n" in source.read_text(encoding="utf-8")
    assert any(cell.source == "%load_ext notebookviz" for cell in jupytext.read(source, fmt="py:percent").cells)
