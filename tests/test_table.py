"""The module table."""

from __future__ import annotations

import csv
import io
import sys

import pytest
import torch
from torch import nn

from notebookviz.capture import capture
from notebookviz.errors import MissingExtraError
from notebookviz.graph.records import Node, Recording
from notebookviz.graph.totals import module_totals
from notebookviz.table import ModuleTable, bytes_text, count_text


class Shared(nn.Module):
    """A block called twice, a layer never called, a frozen one, a list in between."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4, bias=False)])
        self.blocks[1].weight.requires_grad_(False)
        self.spare = nn.Linear(4, 100)

    def forward(self, x):
        return self.blocks[1](self.blocks[0](self.blocks[0](x)))


@pytest.fixture
def table():
    return ModuleTable(capture(Shared(), (torch.zeros(2, 4),)))


def test_rows(table):
    assert [(row.name, row.call, row.depth, row.type, row.output, row.params, row.macs) for row in table.rows] == [
        ("Shared", 0, 0, "Shared", "2×4", 20 + 16 + 500, 3 * 32),
        ("blocks.0", 0, 1, "Linear", "2×4", 20, 32),
        ("blocks.0", 1, 1, "Linear", "2×4", 20, 32),
        ("blocks.1", 0, 1, "Linear", "2×4", 16, 32),
        ("spare", 0, 1, "Linear", "", 500, 0),
    ]
    assert [row.trainable for row in table.rows] == [520, 20, 20, 0, 500]
    assert [row.marks for row in table.rows][-1] == ("uncalled",)
    assert table.rows[1].memory == 2 * 4 * 4
    assert table.rows[1].share == pytest.approx(20 / 536)


def test_totals_count_shared_modules_once(table):
    assert (table.total_params, table.trainable_params, table.total_macs) == (536, 520, 96)
    assert table.total_params == sum(item.numel() for item in Shared().parameters())
    assert table.total_bytes == 536 * 4


def test_totals_by_path():
    totals = module_totals(capture(Shared(), (torch.zeros(2, 4),)))
    assert {path: item.params for path, item in totals.items()} == {
        "": 536,
        "blocks": 36,
        "blocks.0": 20,
        "blocks.1": 16,
        "spare": 500,
    }


def test_text(table):
    assert str(table).splitlines() == [
        "Module                Type    Output  Params   Share  MACs",
        "──────────────────────────────────────────────────────────",
        "Shared                Shared  2×4        536  100.0%    96",
        "  blocks.0            Linear  2×4         20    3.7%    32",
        "  blocks.0 (call 2)   Linear  2×4         20    3.7%    32",
        "  blocks.1            Linear  2×4         16    3.0%    32",
        "  spare [not called]  Linear             500   93.3%",
        "──────────────────────────────────────────────────────────",
        "Parameters: 536 (520 trainable, 16 frozen), 2.14 kB",
        "MACs: 96 for 2×4 float32, eval mode",
    ]


def test_a_cost_that_is_not_whole_is_a_lower_bound():
    class Inverse(nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x) @ x

    lines = str(ModuleTable(capture(Inverse(), (torch.eye(3),)))).splitlines()
    assert lines[-2:] == [
        "MACs: at least 27 for 3×3 float32, eval mode",
        "MACs leave out torch.linalg.inv: no formula is known.",
    ]


def test_html_is_escaped_and_self_contained():
    model = nn.Sequential()
    model.add_module("<img src=x onerror=alert(1)>", type("<script>", (nn.Linear,), {})(4, 4))
    html = ModuleTable(capture(model))._repr_html_()
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "http" not in html
    assert html.count("<tr>") == 3


def test_a_failed_pass_says_where_in_text():
    text = str(ModuleTable(capture(nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 5)), (torch.zeros(1, 4),))))
    assert "1 [failed here]" in text
    assert "The forward pass failed in 1: addmm: mat1 and mat2 shapes cannot be multiplied (1x4 and 5x5)" in text


def test_a_tree_without_a_pass_has_no_macs():
    text = str(ModuleTable(capture(nn.ModuleList([nn.Linear(4, 4)]))))
    assert "MACs:" not in text
    assert "ModuleList has no forward(): its modules are listed." in text


def test_dataframe(table):
    frame = table.to_dataframe()
    assert list(frame["params"]) == [536, 20, 20, 16, 500]
    assert next(iter(frame["name"])) == "Shared"


def test_without_pandas(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError) as caught:
        table.to_dataframe()
    assert str(caught.value) == ("This needs pandas, which is not installed. Run: pip install 'notebookviz[table]'")


def test_csv(table):
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert [item["path"] for item in read] == [row.path for row in table.rows]
    assert [int(item["params"]) for item in read] == [row.params for row in table.rows]


@pytest.mark.parametrize("name", ["=1+1", "@x", '"a",b', "two\nlines", "é"])
def test_csv_keeps_names_whole_and_no_formula_begins(name):
    table = ModuleTable(Recording((Node(0, -1, "module", name, name, ""),)))
    (row,) = csv.DictReader(io.StringIO(table.to_csv()))
    assert row["type"] == (f"'{name}" if name[0] in "=@" else name)


def test_five_thousand_rows_take_a_moment():
    table = ModuleTable(capture(nn.Sequential(*(nn.ReLU() for _ in range(2000))), (torch.zeros(1),)))
    assert len(table.rows) == 2001
    assert str(table).count("\n") > 2000


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1 k"), (999_700, "1 M"), (4_089_184_256, "4.09 G"), (10**16, "1e+04 T")],
)
def test_counts(number, text):
    assert count_text(number) == text


def test_bytes():
    assert (bytes_text(12), bytes_text(1_500)) == ("12 B", "1.5 kB")


def test_a_long_table_keeps_its_upper_levels_and_says_what_is_left_out():
    model = nn.Sequential(*(nn.Sequential(*(nn.Identity() for _ in range(30))) for _ in range(20)))
    table = ModuleTable(capture(model, (torch.zeros(1),)))
    assert len(table.rows) == 621
    html, text = table.to_html(50), table.to_text(50)
    assert html.count("<tr>") == 22
    assert len(text.splitlines()) == 2 + 21 + 1 + 3
    assert "600 more rows are not shown here." in html
    assert "600 more rows are not shown here." in text
    assert table.to_text(10).count("Sequential") == 2 + 9  # the root by name and type, its first nine children by type
    assert "more rows" not in str(table)
