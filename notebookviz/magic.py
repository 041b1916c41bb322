"""``%netron``: arguments only; everything is done by ``api``.

``%load_ext notebookviz`` registers it.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from notebookviz import api
from notebookviz.errors import InputError
from notebookviz.panel import open_panels
from notebookviz.table import count_text

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from notebookviz.panel import Panel

HELP: Final = """\
%netron                         list what is open
%netron MODEL                   show an nn.Module, or an onnx ModelProto, that a Python expression gives
%netron MODEL INPUT ...         show it with these inputs
%netron FILE                    open a model file; an existing file wins over a name, quotes force a file
  --input EXPR                  an input; may be given again for the next one
  --input-size SIZE             1,3,224,224 or 1x3x224x224 instead of an input
  --height PIXELS               height of the panel (600)
  --browser                     open it in a browser tab instead of the notebook
%netron --stop [MODEL or FILE]  close all panels, or those of one model
%netron --help                  show this text
"""

_FLAGS: Final = ("--browser", "--stop", "--help")
_WITH_VALUE: Final = ("--input", "--input-size", "--height")
_SIZE: Final = re.compile(r"\d+(?:\s*[x×,]\s*\d+)*,?")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_MIN_HEIGHT: Final = 100


@dataclass
class Arguments:
    """A line of ``%netron``, taken apart.

    Attributes:
        target: The text that names the model or file and its inputs, as it was typed.
        pieces: The same, split where Python would see separate expressions.
        inputs: Texts of ``--input``.
        input_size: Text of ``--input-size`` or ``""``.
        height: Pixels.
        flags: The flags given.
    """

    target: str = ""
    pieces: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    input_size: str = ""
    height: int = 600
    flags: set[str] = field(default_factory=set)


def parse(line: str) -> Arguments:
    """Take a line apart.

    Args:
        line: What stands after ``%netron``.

    Returns:
        Its arguments.

    Raises:
        InputError: An option is unknown or lacks its value.

    Example:
        >>> parse("model torch.zeros(1, 3) --height 300").pieces
        ['model', 'torch.zeros(1, 3)']
    """
    arguments = Arguments()
    spans: list[tuple[int, int]] = []
    waiting = ""
    for start, end in split(line):
        piece = line[start:end]
        if waiting:
            _set_option(arguments, waiting, piece)
            waiting = ""
        elif piece == "-h":
            arguments.flags.add("--help")
        elif piece.startswith("--"):
            name, equals, value = piece.partition("=")
            if name in _FLAGS and not equals:
                arguments.flags.add(name)
            elif name in _WITH_VALUE and equals:
                _set_option(arguments, name, value)
            elif name in _WITH_VALUE:
                waiting = name
            else:
                raise InputError(
                    f"%netron does not know {piece!r}; it knows {', '.join((*_WITH_VALUE, *_FLAGS))}.",
                    hint="See %netron --help.",
                )
        else:
            spans.append((start, end))
            arguments.pieces.append(piece)
    if waiting:
        raise InputError(f"{waiting} needs a value.", hint="See %netron --help.")
    if spans:
        arguments.target = line[spans[0][0] : spans[-1][1]]
    return arguments


def split(line: str) -> list[tuple[int, int]]:
    """Where the pieces of a line stand: separated by spaces that are in no bracket and no quotes.

    Example:
        >>> split('nets["a b"] f(1, 2)')
        [(0, 11), (12, 19)]
    """
    spans: list[tuple[int, int]] = []
    start = -1
    quote = ""
    closing: list[str] = []
    for position, character in enumerate(line):
        if start < 0 and not character.isspace():
            start = position
        if quote:
            if character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in _CLOSING:
            closing.append(_CLOSING[character])
        elif closing and character == closing[-1]:
            closing.pop()
        elif character.isspace() and not closing and start >= 0:
            spans.append((start, position))
            start = -1
    if start >= 0:
        spans.append((start, len(line.rstrip())))
    return spans


def _set_option(arguments: Arguments, name: str, value: str) -> None:
    if name == "--input":
        arguments.inputs.append(_unquoted(value))
    elif name == "--input-size":
        arguments.input_size = _unquoted(value)
    else:
        if not value.isdecimal() or int(value) < _MIN_HEIGHT:
            raise InputError(
                f"--height got {value!r}; it wants a whole number of pixels, at least {_MIN_HEIGHT}.",
                hint="For example --height 600.",
            )
        arguments.height = int(value)


def as_path(arguments: Arguments) -> str | None:
    """The path that a line names, or ``None`` when it is to be read as Python.

    An existing file wins over a name, quotes force a path, and a web address is left to ``loading`` to refuse.

    Example:
        >>> as_path(parse("'my model.onnx'"))
        'my model.onnx'
    """
    target = arguments.target
    if len(arguments.pieces) == 1 and len(target) > 1 and target[0] == target[-1] and target[0] in "'\"":
        return target[1:-1]
    if _URL.match(target):
        return target
    try:
        return target if Path(target).expanduser().is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


@magics_class
class NetronMagics(Magics):
    """The ``%netron`` magic."""

    shell: InteractiveShell

    @no_var_expand
    @line_magic
    def netron(self, line: str) -> None:
        """Show a model or a model file; ``%netron --help`` lists the options."""
        arguments = parse(line)
        if "--help" in arguments.flags:
            print(HELP, end="")  # noqa: T201 - the answer to the user
        elif "--stop" in arguments.flags:
            self._stop(arguments)
        elif not arguments.target:
            self._list()
        else:
            self._open(arguments)

    def _open(self, arguments: Arguments) -> None:
        browser = True if "--browser" in arguments.flags else None
        target, texts = self._target(arguments)
        is_path = isinstance(target, str | os.PathLike)
        if (is_path or _is_proto(target)) and (texts or arguments.inputs or arguments.input_size):
            raise InputError(
                f"{arguments.target!r} is a file, not a module; it takes no input.", hint="Leave the input away."
            )
        if is_path:
            api.open_file(target, height=arguments.height, browser=browser)
            return
        inputs = [self._evaluate(text) for text in (*texts, *arguments.inputs)]
        size = self._size(arguments.input_size) if arguments.input_size else None
        api.show(target, *inputs, input_size=size, height=arguments.height, browser=browser)

    def _target(self, arguments: Arguments) -> tuple[Any, list[str]]:
        """The path or object that a line names, and the texts of the inputs that follow it."""
        path = as_path(arguments)
        if path is not None:
            return path, []
        try:
            return self._named(arguments)
        except InputError:
            if os.path.isdir(arguments.target):  # noqa: PTH112 (a text of any length and kind is asked for)
                return arguments.target, []  # refused as what it is
            raise

    def _named(self, arguments: Arguments) -> tuple[Any, list[str]]:
        """What no existing file has the name of."""
        if _compiles(arguments.target):
            return self._evaluate(arguments.target), []
        first, *rest = arguments.pieces
        path_like = _looks_like_path(arguments.target)
        if rest and all(map(_compiles, arguments.pieces)):
            try:
                return self._evaluate(first), rest
            except InputError:
                if not path_like:
                    raise
        if path_like:
            return arguments.target, []
        raise InputError(
            f"{arguments.target!r} is neither a file in {str(Path.cwd())!r} nor a Python expression.",
            hint="See %netron --help.",
        )

    def _evaluate(self, text: str) -> Any:  # noqa: ANN401 - whatever the user's expression gives
        try:
            return self.shell.ev(text)  # type: ignore[no-untyped-call]
        except Exception as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
            if _looks_like_path(text):
                raise InputError(
                    f"{text!r} is neither a file in {str(Path.cwd())!r} nor a Python expression that works ({reason}).",
                    hint="Check the path.",
                ) from error
            raise InputError(
                f"{text!r} did not work: {reason}.", hint="Run it in a cell to see the whole error."
            ) from error

    def _size(self, text: str) -> Any:  # noqa: ANN401 - show() says what it wants
        if _SIZE.fullmatch(text):
            return tuple(int(part) for part in re.split(r"[x×,\s]+", text) if part)
        try:
            return self._evaluate(text)
        except InputError as error:
            raise InputError(
                f"--input-size got {text!r}; it wants a size such as 1,3,224,224 or 1x3x224x224, or a Python "
                "expression that gives one.",
                hint="For example --input-size 1,3,224,224.",
            ) from error

    def _list(self) -> None:
        panels = open_panels()
        if not panels:
            print("Nothing is open. Try %netron MODEL or %netron FILE; see %netron --help.")  # noqa: T201
        rows = [_facts(number, panel) for number, panel in enumerate(panels, 1)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (f"{text:{width}}" for text, width in zip(row, widths, strict=True) if width)
            print("  ".join(cells).rstrip())  # noqa: T201 - the answer to the user

    def _stop(self, arguments: Arguments) -> None:
        panels = open_panels()
        if arguments.target:
            target, _ = self._target(arguments)
            panels = [panel for panel in panels if panel.shows(target)]
            if not panels:
                raise InputError(f"No open panel shows {arguments.target!r}.", hint="%netron lists what is open.")
        for panel in panels:
            panel.close()
        print(f"Closed {len(panels)} panel{'' if len(panels) == 1 else 's'}.")  # noqa: T201 - the answer to the user


def _facts(number: int, panel: Panel) -> tuple[str, ...]:
    """What tells one open panel from another: number, name, parameters, input, cell and address."""
    try:
        facts = (f"{count_text(panel.table.total_params)} parameters", panel.recording.input_text)
    except InputError:
        facts = ("file", "")
    cell = f"In [{panel.run.count}]" if panel.run is not None and panel.run.count else ""
    return (str(number), panel.title, *facts, cell, panel.url)


def _unquoted(text: str) -> str:
    """The expression in quotes as a shell user writes them; a string itself is never an input."""
    inner = text[1:-1]
    return inner if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in inner else text


def _is_proto(value: object) -> bool:
    """Whether it is an onnx ModelProto; there is none as long as nobody has imported onnx."""
    onnx = sys.modules.get("onnx")
    return onnx is not None and isinstance(value, onnx.ModelProto)


def _compiles(text: str) -> bool:
    try:
        compile(text, "<%netron>", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _looks_like_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith("~") or bool(Path(text).suffix)


def register(shell: InteractiveShell) -> None:
    """Register the magic with a shell: what ``%load_ext notebookviz`` does."""
    shell.register_magics(NetronMagics)
