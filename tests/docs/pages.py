"""The blocks of code in README and docs, as they are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
PAGES = (*READMES, *sorted((ROOT / "docs").glob("*.md")))
PYTHON = frozenset({"python", "ipython"})

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Where it stands.
        line: Line of its first fence.
        language: As written; a ``{code-cell} python`` is ``python``.
        text: What is inside.
        reason: Why it is not run, when a comment above it says so.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"].removeprefix("{code-cell} "),
            found["text"],
            found["reason"] or "",
        )
        for found in _FENCE.finditer(text)
    ]


def commands() -> dict[str, list[str]]:
    """Each command of a shell block, without its comment, and where it stands."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        for block in blocks(page):
            if block.language == "sh":
                for line in block.text.splitlines():
                    if command := line.partition("  #")[0].strip():
                        found.setdefault(command, []).append(block.place)
    return found
