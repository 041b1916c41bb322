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


def counts(lines: list[Line]) -> dict[str, Any]:
    """How many models were counted, with shapes, and confirmed; and how many were left out."""
    counted = [line for line in lines if line["outcome"] != "excluded"]
    return {
        "models": len(counted),
        "shapes": sum(line["outcome"] != "no shapes" for line in counted),
        "confirmed": sum(line["outcome"] == "confirmed" for line in counted),
        "excluded": len(lines) - len(counted),
    }


def groups(lines: list[Line]) -> dict[str, list[Line]]:
    """The results of each library, in the order of their names."""
    found: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: (line["group"], line["name"].lower())):
        found.setdefault(line["group"], []).append(line)
    return found


def totals(lines: list[Line]) -> str:
    """A line for each library."""
    found = []
    for group, mine in groups(lines).items():
        number = counts(mine)
        found.append(
            f"{group}: {number['shapes']} of {number['models']} with shapes, {number['confirmed']} confirmed, "
            f"{number['excluded']} excluded"
        )
    return "\n".join(found)


HEAD = """# Coverage

Which models are shown with shapes when no input is given. `make coverage` measures it and writes this page; each model
is looked at in a process of its own, then run for real on the input that was inferred, under plain forward hooks.

- **with shapes**: the forward pass was traced to its end without any input given.
- **confirmed**: each executed module call is in the recording once, in the order of the real run, with the same output
  shapes. Sizes that depend on data and were assumed are left out of the comparison and counted.
- **excluded**: could not be built at all, for a reason outside of notebookviz.

timm: the first name of each family, and the last one of each large family; a family is what one source file offers
under names that start with the same word, and of those with more than 350 M parameters the next one is taken.
transformers: every 16th of the sorted list of model classes that its auto classes know, with the default
configuration made small by one rule on the names of settings (`benchmarks/coverage/shrink.py`).

A run of all takes an hour or more; the table holds the latest result of each model that has been measured, so it may
list fewer than those named above.
"""


def table(lines: list[Line]) -> str:
    """The page in docs/: totals, what failed and why, what was left out, and the input of each model."""
    parts = [HEAD, "| library | models | with shapes | confirmed | excluded |", "| --- | --- | --- | --- | --- |"]
    for group, mine in groups(lines).items():
        number = counts(mine)
        share = f"{number['shapes']} ({100 * number['shapes'] / max(number['models'], 1):.1f}%)"
        parts.append(f"| {group} | {number['models']} | {share} | {number['confirmed']} | {number['excluded']} |")
    bad = [line for line in lines if line["outcome"] in ("no shapes", "unconfirmed")]
    out = [line for line in lines if line["outcome"] == "excluded"]
    for title, some in (("Not confirmed", bad), ("Excluded", out)):
        if some:
            parts += ["", f"## {title}", "", "| library | model | | why |", "| --- | --- | --- | --- |"]
            parts += [
                f"| {line['group']} | {line['name']} | {line['outcome']} | {_cell(line['problem'])} |" for line in some
            ]
    for group, mine in groups(lines).items():
        good = [line for line in mine if line["outcome"] == "confirmed"]
        parts += ["", f"## {group}: confirmed", "", "| model | input | module calls | assumed sizes | tensors |"]
        parts.append("| --- | --- | --- | --- | --- |")
        parts += [
            f"| {line['name']} | {_cell(line['input'])} | {line['calls']:,} | {line['assumed'] or ''} "
            f"| {line['tensors']} |"
            for line in good
        ]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
