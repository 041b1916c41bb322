"""The results as JSON lines, as a line on the screen, and as the table in docs/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """All results that were kept."""
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def keep(path: Path, line: Line) -> None:
    """Keep a result in place of an earlier one of the same model."""
    key = line["group"], line["name"]
    lines = [kept for kept in read(path) if (kept["group"], kept["name"]) != key]
    path.write_text("".join(json.dumps(kept) + "\n" for kept in [*lines, line]))


def one_line(line: Line) -> str:
    """A result as one line of text."""
    said = f"{line['outcome']:11} {line['group'][:12]:12} {line['name'][:44]:44} {line['seconds']:6.2f} s"
    rest = line["problem"] or f"{line['calls']:,} calls, {line['input']}"
    return f"{said} of {line['total_seconds']:5.1f}  {rest}"


def totals(lines: list[Line]) -> str:
    """How many of each group are confirmed."""
    found = []
    for group in dict.fromkeys(line["group"] for line in lines):
        mine = [line for line in lines if line["group"] == group]
        counted = [line for line in mine if line["outcome"] != "excluded"]
        shown = sum(line["outcome"] != "no shapes" for line in counted)
        sure = sum(line["outcome"] == "confirmed" for line in counted)
        found.append(
            f"{group}: {shown} of {len(counted)} with shapes, {sure} confirmed, {len(mine) - len(counted)} excluded"
        )
    return "\n".join(found)
