"""The browser tests' own tools work: a widget of ipywidgets draws in each notebook."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.jupyter]

SLIDER = "import ipywidgets\nslider = ipywidgets.IntSlider(value=41)\nslider"


def test_widget_draws_and_kernel_answers(either, open_notebook):
    notebook = open_notebook(either, [SLIDER])
    notebook.run(0)
    notebook.page.locator(".widget-slider").wait_for()
    assert notebook.ask("slider.value + 1") == "42"
    assert notebook.ask_json("{'a': [1, \"it's\"]}") == {"a": [1, "it's"]}
    assert notebook.sources() == [SLIDER]
    assert notebook.traffic.errors == []


def test_stock_notebook_is_driven_by_hand(stock, open_notebook):
    notebook = open_notebook(stock, [SLIDER])
    notebook.run_by_hand(0)
    notebook.page.locator(".widget-slider").wait_for()
    assert notebook.page.evaluate("() => 'jupyterapp' in window") is False
