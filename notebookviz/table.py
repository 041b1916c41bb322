"""The module table: one row for each module call, with its parameters, cost and memory."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING

from notebookviz.errors import MissingExtraError
from notebookviz.graph.totals import Totals, module_totals, output_bytes

if TYPE_CHECKING:
    import pandas as pd

    from notebookviz.graph.records import Node, Recording

MOST_HTML_ROWS = 1000
_NOTHING = Totals()
_SHOWN_OUTPUTS = 3
_MARKS = {"failed": "failed here", "unfinished": "unfinished", "uncalled": "not called"}
_LONGEST_NAME = 60
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One module call.

    Attributes:
        index: Index of its node in the recording.
        parent: Index of the enclosing module call; -1 for the model itself.
        depth: How many module calls enclose it.
        name: Its path below the enclosing module call; the class name for the model itself.
        path: Its path in the model (``layer1.0``); ``""`` is the model itself.
        type: Class name.
        call: Which call of this module this is, from 0.
        output: Shapes of the tensors it returned: ``1×64×112×112``.
        params: Parameter elements in it and its children; a shared tensor counts once.
        trainable: Those of them that require a gradient.
        share: ``params`` as a part of the model's, from 0 to 1.
        macs: Multiply-adds of this call.
        memory: Bytes of the tensors it returned.
        marks: What is special about it: ``failed``, ``uncalled``.
    """

    index: int
    parent: int
    depth: int
    name: str
    path: str
    type: str
    call: int
    output: str
    params: int
    trainable: int
    share: float
    macs: int
    memory: int
    marks: tuple[str, ...]


class ModuleTable:
    """The modules of one recording as a table.

    Args:
        recording: What capture returned.

    Attributes:
        rows: One row for each module call, in the order they began, then the modules that were never called.

    Example:
        >>> from notebookviz.graph.records import Node, Recording
        >>> root = Node(0, -1, "module", "Identity", "torch.nn.Identity", "")
        >>> ModuleTable(Recording((root,))).rows[0].name
        'Identity'
    """

    def __init__(self, recording: Recording) -> None:
        held = module_totals(recording)
        self._totals = held.get("", _NOTHING)
        self._macs = recording.root.macs
        self._recording = recording
        self.rows: tuple[Row, ...] = _rows(recording, held)

    @property
    def total_params(self) -> int:
        """Parameter elements of the model; a shared tensor counts once."""
        return self._totals.params

    @property
    def trainable_params(self) -> int:
        """Parameter elements that require a gradient."""
        return self._totals.trainable

    @property
    def total_macs(self) -> int:
        """Multiply-adds of the forward pass."""
        return self._macs

    @property
    def total_bytes(self) -> int:
        """Bytes of the parameters and buffers."""
        return self._totals.param_bytes

    def to_dataframe(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame.

        Returns:
            A frame with one column for each attribute of :class:`Row`.

        Raises:
            MissingExtraError: pandas is not installed.

        Example:
            >>> summary(model).to_dataframe().sort_values("params")  # doctest: +SKIP
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("pandas", extra="table") from None
        columns = list(Row.__dataclass_fields__)
        return pd.DataFrame([asdict(row) for row in self.rows], columns=columns).set_index("index")

    def to_csv(self) -> str:
        """The rows as comma-separated values with a line of column names, for a spreadsheet.

        A text that a spreadsheet would take for a formula has an apostrophe in front.

        Example:
            >>> from notebookviz.graph.records import Node, Recording
            >>> root = Node(0, -1, "module", "Identity", "torch.nn.Identity", "")
            >>> print(ModuleTable(Recording((root,))).to_csv().splitlines()[1])
            0,-1,0,Identity,,Identity,0,,0,0,0.0,0,0,
        """
        file = io.StringIO()
        columns = list(Row.__dataclass_fields__)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in self.rows:
            writer.writerow([_csv_cell(getattr(row, name)) for name in columns])
        return file.getvalue()

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_text(self, limit: int | None = None) -> str:
        """The table as aligned text.

        Args:
            limit: Leave out the deepest levels, then the last rows, until at most so many rows are left.

        Returns:
            Lines joined by newlines.

        Example:
            >>> from notebookviz.graph.records import Node, Recording
            >>> root = Node(0, -1, "module", "Identity", "torch.nn.Identity", "")
            >>> print(ModuleTable(Recording((root,))).to_text().splitlines()[0])
            Module    Type      Output  Params  Share  MACs
        """
        heads = ("Module", "Type", "Output", "Params", "Share", "MACs")
        rows = self._within(limit)
        lines = [heads, *(_cells(row) for row in rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
        shown = [_aligned(line, widths) for line in lines]
        rule = "─" * max(len(line) for line in shown)
        return "\n".join((shown[0], rule, *shown[1:], rule, *self._footer(len(rows))))

    def to_html(self, limit: int | None = MOST_HTML_ROWS) -> str:
        """The table as HTML that needs no script and no style sheet; every text in it is escaped.

        Args:
            limit: As for :meth:`to_text`.

        Returns:
            One ``div`` and one ``p``.

        Example:
            >>> from notebookviz.graph.records import Node, Recording
            >>> root = Node(0, -1, "module", "<b>", "torch.nn.Identity", "")
            >>> "<b>" in ModuleTable(Recording((root,))).to_html()
            False
        """
        rows = self._within(limit)
        right, left = "text-align:right", "text-align:left"
        sides = (left, left, left, right, right, right)
        heads = ("Module", "Type", "Output", "Params", "Share", "MACs")
        head = "".join(
            f'<th scope="col" style="{side};padding:4px 10px;position:sticky;top:0;'
            f'background:var(--jp-layout-color1,Canvas)">{name}</th>'
            for name, side in zip(heads, sides, strict=True)
        )
        body = "".join(f"<tr>{_html_cells(row, sides)}</tr>" for row in rows)
        foot = "<br>".join(escape(line) for line in self._footer(len(rows)))
        return (
            '<div style="max-height:480px;overflow:auto;font-size:13px">'
            '<table style="border-collapse:collapse;white-space:nowrap;font-variant-numeric:tabular-nums">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            f'<p style="margin:6px 10px;font-size:13px">{foot}</p>'
        )

    def _within(self, limit: int | None) -> tuple[Row, ...]:
        """The rows down to the greatest depth that keeps to the limit, else the first ones."""
        if limit is None or len(self.rows) <= limit:
            return self.rows
        counts = Counter(row.depth for row in self.rows)
        depth, number = 0, counts[0]
        while number + counts[depth + 1] <= limit:
            depth += 1
            number += counts[depth]
        return tuple(row for row in self.rows if row.depth <= max(depth, 1))[:limit]

    def _footer(self, shown: int) -> list[str]:
        more = len(self.rows) - shown
        frozen = self.total_params - self.trainable_params
        split = f"{self.trainable_params:,} trainable, {frozen:,} frozen"
        lines = [f"{more:,} more rows are not shown here."] if more else []
        lines.append(f"Parameters: {self.total_params:,} ({split}), {bytes_text(self.total_bytes)}")
        if self._recording.tensors != "none":
            given = f" for {self._recording.input_text}" if self._recording.input_text else ""
            least = "at least " if any("uncounted" in node.marks for node in self._recording.nodes) else ""
            lines.append(f"MACs: {least}{count_text(self.total_macs)}{given}, {self._recording.mode} mode")
        failure = self._recording.failure
        if failure is not None:
            path = self._recording.nodes[failure.node].path
            lines.append(f"The forward pass failed{f' in {path}' if path else ''}: {failure.message}")
            lines.extend([f"Try: {failure.hint}"] if failure.hint else [])
        lines.extend(self._recording.notes)
        return lines


def count_text(number: int) -> str:
    """A large number as people read it.

    Example:
        >>> [count_text(number) for number in (0, 999, 118_013_952, 4_089_184_256)]
        ['0', '999', '118 M', '4.09 G']
    """
    value = float(number)
    for unit in ("", " k", " M", " G", " T"):
        if value < 999.5 or unit == " T":  # noqa: PLR2004 (what rounds to 1000 takes the next unit)
            return f"{value:.3g}{unit}" if unit else str(number)
        value /= 1000
    return str(number)


def bytes_text(number: int) -> str:
    """A size in bytes as people read it.

    Example:
        >>> bytes_text(102_228_128)
        '102 MB'
    """
    text = count_text(number)
    return f"{text}B" if " " in text else f"{text} B"


def _rows(recording: Recording, held: dict[str, Totals]) -> tuple[Row, ...]:
    whole = held.get("", _NOTHING).params
    depths: dict[int, int] = {-1: -1}
    found = []
    for node in recording.nodes:
        if node.kind != "module":
            continue
        depths[node.index] = depths[node.parent] + 1
        totals = held.get(node.path, _NOTHING)
        found.append(
            Row(
                index=node.index,
                parent=node.parent,
                depth=depths[node.index],
                name=_name(recording, node),
                path=node.path,
                type=node.type,
                call=node.call,
                output=_output(recording, node),
                params=totals.params,
                trainable=totals.trainable,
                share=totals.params / whole if whole else 0.0,
                macs=node.macs,
                memory=output_bytes(recording, node.index),
                marks=tuple(sorted(node.marks)),
            )
        )
    return tuple(found)


def _name(recording: Recording, node: Node) -> str:
    """The path below the enclosing call, so that a ModuleList that is never called still shows: ``layers.0``."""
    if node.parent < 0 or not node.path:
        return node.type
    above = recording.nodes[node.parent].path
    return node.path[len(above) + 1 :] if above and node.path.startswith(f"{above}.") else node.path


def _output(recording: Recording, node: Node) -> str:
    values = recording.values  # noqa: PD011 (not a pandas object)
    shapes = [values[index].type.shape for index in node.outputs]
    texts = ["×".join(map(str, shape)) if shape else "scalar" for shape in shapes[:_SHOWN_OUTPUTS]]
    more = len(shapes) - len(texts)
    return ", ".join(texts) + (f", {more} more" if more else "")


def _cells(row: Row) -> tuple[str, ...]:
    name = _label(row)
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    text = "  " * row.depth + short.replace("\n", "␤").replace("\r", "␤")
    kind = row.type if len(row.type) <= _LONGEST_NAME else row.type[: _LONGEST_NAME - 1] + "…"
    return (text, kind.replace("\n", "␤"), row.output, f"{row.params:,}" if row.params else "", *_figures(row))


def _label(row: Row) -> str:
    again = f" (call {row.call + 1})" if row.call else ""
    marks = ", ".join(_MARKS[mark] for mark in row.marks if mark in _MARKS)
    return f"{row.name}{again}" + (f" [{marks}]" if marks else "")


def _figures(row: Row) -> tuple[str, str]:
    return (f"{row.share:.1%}" if row.params else "", count_text(row.macs) if row.macs else "")


def _csv_cell(value: object) -> object:
    text = ", ".join(value) if isinstance(value, tuple) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULAS) else text


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    left, right = line[:3], line[3:]
    cells = [cell.ljust(width) for cell, width in zip(left, widths[:3], strict=True)]
    cells.extend(cell.rjust(width) for cell, width in zip(right, widths[3:], strict=True))
    return "  ".join(cells).rstrip()


def _html_cells(row: Row, sides: tuple[str, ...]) -> str:
    texts = (_label(row), row.type, row.output, f"{row.params:,}" if row.params else "", *_figures(row))
    found = []
    for at, (text, side) in enumerate(zip(texts, sides, strict=True)):
        indent = f" 2px {10 + 16 * row.depth}px" if at == 0 else ""
        weight = ";font-weight:600" if at == 0 and row.parent < 0 else ""
        found.append(f'<td style="{side};padding:2px 10px{indent}{weight}">{escape(text)}</td>')
    return "".join(found)
