"""What is drawn as text for other programs: DOT for Graphviz, Mermaid for Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from notebookviz.graph.visible import Box, Visible

LONGEST: Final = 120
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNSAFE: Final = re.compile(r"[^\w .,:×…·]", re.ASCII)
_LOOKS: Final = {
    "module": 'shape=box style="rounded,filled" fillcolor="#e8effc"',
    "fold": 'shape=box style="rounded,filled" fillcolor="#e8effc" peripheries=2',
    "operator": 'shape=box style="filled" fillcolor="#f2f2f2"',
    "input": "shape=ellipse",
    "output": "shape=ellipse",
}
_SHAPES: Final = {
    "module": ("[", "]"),
    "fold": ("[[", "]]"),
    "operator": ("[", "]"),
    "input": ("([", "])"),
    "output": ("([", "])"),
}


def dot(drawn: Visible) -> str:
    r"""The graph in Graphviz's language.

    Args:
        drawn: What is visible.

    Example:
        >>> from notebookviz.graph.visible import Box, Visible
        >>> print(dot(Visible("Net", (Box("1", "operator", ('say "hi"',)),), ())).splitlines()[3])
          "1" [label="say \"hi\"" shape=box style="filled" fillcolor="#f2f2f2"];
    """

    def frame(box: Box, inner: Iterator[str]) -> Iterator[str]:
        yield f'subgraph "cluster-{box.id}" {{'
        yield f'  label={_quoted(" ".join(box.lines))}; style=rounded; color="#8fa3c7";'
        yield from inner
        yield "}"

    lines = [
        f"digraph {_quoted(drawn.name)} {{",
        '  rankdir=TB; fontname="sans-serif"; node [fontname="sans-serif"]; edge [fontname="sans-serif" fontsize=10];',
        "",
        *_nested(drawn, lambda box: f'"{box.id}" [label={_quoted(*box.lines)} {_LOOKS[box.kind]}];', frame),
        "",
        *(f'  "{line.source}" -> "{line.target}" [label={_quoted(*line.shapes)}];' for line in drawn.lines),
        "}",
    ]
    return "\n".join(lines) + "\n"


def mermaid(drawn: Visible) -> str:
    """The graph in Mermaid's language, which GitHub and JupyterLab draw in Markdown.

    Args:
        drawn: What is visible.

    Example:
        >>> from notebookviz.graph.visible import Box, Visible
        >>> print(mermaid(Visible("Net", (Box("1", "operator", ('say "hi"',)),), ())), end="")
        flowchart TB
          n1["say #34;hi#34;"]
    """

    def frame(box: Box, inner: Iterator[str]) -> Iterator[str]:
        yield f"subgraph {_identifier(box.id)} [{_mermaid_text(' '.join(box.lines))}]"
        yield from inner
        yield "end"

    def node(box: Box) -> str:
        left, right = _SHAPES[box.kind]
        return f"{_identifier(box.id)}{left}{_mermaid_text(*box.lines)}{right}"

    edges = (
        f"  {_identifier(line.source)} -->|{_mermaid_text(*line.shapes)}| {_identifier(line.target)}"
        for line in drawn.lines
    )
    return "\n".join(("flowchart TB", *_nested(drawn, node, frame), *edges)) + "\n"


def _nested(
    drawn: Visible, node: Callable[[Box], str], frame: Callable[[Box, Iterator[str]], Iterator[str]]
) -> Iterator[str]:
    """Boxes and frames as lines, each inside the frame it stands in."""
    inside: dict[str, list[Box]] = {}
    for box in drawn.boxes:
        inside.setdefault(box.frame, []).append(box)

    def lines(outer: str) -> Iterator[str]:
        for box in inside.get(outer, ()):
            for line in frame(box, lines(box.id)) if box.opened else (node(box),):
                yield f"  {line}"

    return lines("")


def _clean(line: str) -> str:
    text = _CONTROL.sub(" ", line)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _quoted(*lines: str) -> str:
    """A string of DOT: quotes and backslashes escaped, and ``&``, which begins an entity there."""
    texts = (_clean(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(texts) + '"'


def _identifier(key: str) -> str:
    return f"n{key}" if key.isdigit() else key.replace("-", "_")


def _mermaid_text(*lines: str) -> str:
    """A string of Mermaid: all but plain characters as numbered entities, so that no mark-up can begin."""
    texts = (_UNSAFE.sub(lambda found: f"#{ord(found[0])};", _clean(line)) for line in lines)
    return '"' + "<br/>".join(texts) + '"'
