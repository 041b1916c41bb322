"""Sphinx's settings (``make docs``): the pages of this folder and the notebooks, which are run; warnings are errors."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"

project = "notebookviz"
author = "The notebookviz developers"
version = release = importlib.metadata.version("notebookviz")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["**/.ipynb_checkpoints"]

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "notebookviz"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_show_sourcelink = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# A notebook runs again when its code or the package has changed. Its translation has the same code, so it does not run.
_SOURCES = [path for path in sorted((ROOT / "notebookviz").rglob("*")) if path.suffix in {".py", ".js", ".css"}]
_STATE = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:12]
os.environ["JUPYTER_PATH"] = str(ROOT / "docs" / "_jupyter")  # a kernel that logs errors only
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "artifacts" / "executed" / _STATE)
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300
if tags.has("quick"):  # noqa: F821 - -t quick, for the tests: the other tutorials have tests of their own
    nb_execution_excludepatterns = [
        path.name for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem != "04-convolution"
    ]
# What is folded away are solutions; the pages are in two languages.
nb_code_prompt_show = "Show the solution · 参考答案"
nb_code_prompt_hide = "Hide the solution · 收起"


def copy_notebooks(*_: object) -> None:
    """Put the notebooks among the pages; a link from one to the other works in both places."""
    shutil.rmtree(TUTORIALS, ignore_errors=True)
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        copy = TUTORIALS / path.relative_to(ROOT / "notebooks")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def leave_out_widgets(_: Sphinx, env: Any) -> None:  # noqa: ANN401 - myst-nb adds its facts to Sphinx's class
    """A panel's output opens it without a widget, so a page needs neither their state nor scripts of other hosts."""
    for facts in env.nb_metadata.values():
        facts.pop("js_files", None)


def write_math(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers draw themselves: MathJax would come from another host."""
    block = isinstance(node, nodes.math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="math">{formula}</div>' if block else formula)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Register the functions above."""
    app.connect("config-inited", copy_notebooks)
    app.connect("env-updated", leave_out_widgets)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
