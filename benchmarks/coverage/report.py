"""The results as JSON lines, as a line on the screen, and as the table in docs/."""

from __future__ import annotations

import json
import platform
from importlib import metadata, util
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
        "given": sum(line["input"].startswith("given") for line in counted),
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
- **input given**: none could be inferred with which it runs, so it was looked at with an input of its own; only the
  awkward ones have one.
- **excluded**: could not be built at all, for a reason outside of notebookviz.

torchvision: every name it lists. timm: the first name of each family, and the last one of each large family; a family
is what one source file offers under names that start with the same word. In place of a model with more than 350 M
parameters the next one of its family is taken. transformers: every 16th of the sorted list of model classes that its
auto classes know, with the default configuration made small by one rule on the names of settings
(`benchmarks/coverage/shrink.py`); both passes are made without a cache of keys and values, so a model that reads its
cache itself fails (PI0). TimesFm2_5 pads any series to the length it was configured for and goes through it in a Python
loop: more calls than can be drawn. diffusers: six networks, small. awkward: the hand-written models in
`tests/capture/awkward`; where forward makes or hides its modules plain hooks can't confirm what is recorded.

A run of all takes two hours or more on two cores. The table keeps the latest result of each model, of runs at
different times; the versions of the last one stand below.
"""


def table(lines: list[Line], versions: str) -> str:
    """The page in docs/: totals, what failed and why, what was left out, and the input of each model."""
    parts = [HEAD, f"{versions}\n"]
    parts.append("| library | models | with shapes | confirmed | input given | excluded |")
    parts.append("| --- | --- | --- | --- | --- | --- |")
    for group, mine in groups(lines).items():
        number = counts(mine)
        share = f"{number['shapes']} ({100 * number['shapes'] / max(number['models'], 1):.1f}%)"
        parts.append(
            f"| {group} | {number['models']} | {share} | {number['confirmed']} | {number['given']} "
            f"| {number['excluded']} |"
        )
    lines = [line for mine in groups(lines).values() for line in mine]
    bad = [line for line in lines if line["outcome"] in ("no shapes", "unconfirmed")]
    out = [line for line in lines if line["outcome"] == "excluded"]
    for title, some in (("Not confirmed", bad), ("Excluded", out)):
        if some:
            parts += ["", f"## {title}", "", "| library | model | | why |", "| --- | --- | --- | --- |"]
            parts += [
                f"| {line['group']} | {_name(line)} | {line['outcome']} | {_cell(line['problem'])} |" for line in some
            ]
    for group, mine in groups(lines).items():
        good = [line for line in mine if line["outcome"] == "confirmed"]
        parts += ["", f"## {group}: confirmed", "", "| model | input | module calls | assumed sizes | tensors |"]
        parts.append("| --- | --- | --- | --- | --- |")
        parts += [
            f"| {_name(line)} | {_cell(line['input'])} | {line['calls']:,} | {line['assumed'] or ''} "
            f"| {line['tensors']} |"
            for line in good
        ]
    return "\n".join(parts) + "\n"


def versions() -> str:
    """What was installed in the last run."""
    names = ("torch", "torchvision", "timm", "transformers", "diffusers")
    installed = [name for name in names if util.find_spec(name)]
    found = ", ".join(f"{name} {metadata.version(name).partition('+')[0]}" for name in installed)
    return f"Python {platform.python_version()}, {found}."


def _name(line: Line) -> str:
    """The name that was asked for, and the one that was taken in its place."""
    built = line.get("built") or line["name"]
    return str(line["name"]) if built == line["name"] else f"{line['name']} ({built} in its place)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
