"""Write the tutorials: notebooks/source/NN-name.py gives notebooks/NN-name.ipynb and, in Chinese, notebooks/zh/.

Their titles give the table in notebooks/README.md.

A source is in jupytext's percent format. Code cells start with ``# %%`` and stand once. Text cells stand twice, one
after the other: ``# %% [markdown] lang="en"``, then ``# %% [markdown] lang="zh"``, a paragraph in one line. A magic is
written as a comment (``# %netron``). A code cell with ``tags=["solution"]`` is folded away, in JupyterLab and in the
documentation, until the reader opens it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import jupytext
from nbformat import NotebookNode, v4

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOURCES = NOTEBOOKS / "source"
LANGUAGES = {"en": NOTEBOOKS, "zh": NOTEBOOKS / "zh"}
OTHER = {"en": "[中文版](zh/{name}.ipynb)", "zh": "[English](../{name}.ipynb)"}
README = """\
# Tutorials

`make lab` opens this folder in JupyterLab. Each tutorial runs from top to bottom without a network, checks its own
results by `assert`, and ends with exercises whose solutions are folded away. What is often told wrongly is run, shown
to go wrong, and mended.

`make notebooks` writes them from `source/`, where each stands once for both languages; `make test` runs them.

| English | 中文 |
| --- | --- |
{rows}
"""
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def blocks(source: Path) -> list[dict[str, NotebookNode]]:
    """The cells of a source by language; a code cell is the same for each.

    Raises:
        ValueError: A text cell has no language, or stands without its other language.
    """
    found: list[dict[str, NotebookNode]] = []
    texts: dict[str, NotebookNode] = {}
    for cell in [*jupytext.read(source, fmt="py:percent").cells, v4.new_code_cell()]:
        if cell.cell_type == "markdown" and cell.metadata.get("lang") == list(LANGUAGES)[len(texts)]:
            texts[cell.metadata["lang"]] = cell
            if len(texts) == len(LANGUAGES):
                found.append(texts)
                texts = {}
        elif cell.cell_type != "code" or texts:
            start = cell.source.partition("\n")[0]
            raise ValueError(
                f'{source.name}: at {start!r} a text cell lang="en" was expected to be followed by one cell lang="zh".'
            )
        else:
            found.append(dict.fromkeys(LANGUAGES, cell))
    return found[:-1]


def build(source: Path) -> dict[Path, str]:
    """The notebooks that a source gives: what to write, by path."""
    cells = blocks(source)
    marks = [hashlib.sha256(block["en"].source.encode()).hexdigest()[:8] for block in cells]
    seen: Counter[str] = Counter()
    ids = []
    for mark in marks:
        ids.append(f"{mark}-{seen[mark]}" if seen[mark] else mark)
        seen[mark] += 1
    made = {}
    for language, folder in LANGUAGES.items():
        written = [_cell(block[language], mark) for block, mark in zip(cells, ids, strict=True)]
        written[0].source += "\n\n" + OTHER[language].format(name=source.stem)
        metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
        notebook = v4.new_notebook(cells=written, metadata=metadata)
        made[folder / f"{source.stem}.ipynb"] = v4.writes(notebook) + "\n"
    return made


def contents() -> str:
    """The table of all tutorials."""
    rows = []
    for source in sorted(SOURCES.glob("*.py")):
        first = blocks(source)[0]
        english, chinese = (first[language].source.partition("\n")[0].removeprefix("# ") for language in LANGUAGES)
        rows.append(f"| [{english}]({source.stem}.ipynb) | [{chinese}](zh/{source.stem}.ipynb) |")
    return README.format(rows="\n".join(rows))


def _cell(cell: NotebookNode, mark: str) -> NotebookNode:
    if cell.cell_type == "markdown":
        return v4.new_markdown_cell(cell.source, id=mark)
    if "solution" not in cell.metadata.get("tags", ()):
        return v4.new_code_cell(cell.source, id=mark)
    hidden = {"jupyter": {"source_hidden": True}, "tags": ["solution", "hide-cell"]}
    return v4.new_code_cell("# Solution\n" + cell.source, id=mark, metadata=hidden)


def main() -> None:
    """Write each notebook and the table of them."""
    (NOTEBOOKS / "README.md").write_text(contents(), encoding="utf-8")
    for source in sorted(SOURCES.glob("*.py")):
        for path, text in build(source).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(NOTEBOOKS.parent))


if __name__ == "__main__":
    main()
