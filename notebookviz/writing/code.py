"""Values as Python source, with the imports that it needs; what is written is read back and compared."""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
import keyword
import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Where a class is better known than by the module that defines it.
_KNOWN: Final = (
    ("torch.nn", "from torch import nn", "nn"),
    ("torch.nn.functional", "import torch.nn.functional as F", "F"),
    ("torch.optim.lr_scheduler", "import torch", "torch.optim.lr_scheduler"),
    ("torch.optim", "import torch", "torch.optim"),
    ("torch", "import torch", "torch"),
    ("torchvision.transforms", "from torchvision import transforms", "transforms"),
    ("torchvision.transforms.v2", "from torchvision.transforms import v2", "v2"),
    ("torchvision.datasets", "from torchvision import datasets", "datasets"),
)
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
# Places and numbers that a value is made with, but that change nothing of what it is.
_UNSAID: Final = frozenset({"device", "dtype", "download", "args", "kwargs"})
_FEW: Final = 16  # numbers of a tensor that stands in a cell
_LONGEST: Final = 20_000  # characters of one expression: a list of all files is no cell
# Variables that the cells set themselves before they last use one of the notebook's.
TAKEN: Final = frozenset(
    re.findall(
        r"\w+",
        """
        Augmented DataLoader F LoraConfig RandomSampler Subset TensorDataset apart blocks child config device epochs
        evaluate factor full functools groups half hashlib inject_adapter_in_model key kept layer layers learning
        loss_of loss_of_scores lr math measure module named nn np optimizer order outputs_of own parameter parent parts
        preprocessing processor random rate re rising scaler schedule scores_of seed_all seed_of settings shuffled steps
        timm torch torchvision weight_decay weights
        """,
    )
)


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression.

    Attributes:
        text: The expression.
        imports: Lines that must come before it.
    """

    text: str
    imports: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Names:
    """The variables that a cell may use, because cells above it make them.

    Attributes:
        known: Values by name.
        used: Names that were used so far.
        taken: Names that the cells set themselves.
    """

    known: Mapping[str, Any]
    used: set[str] = field(default_factory=set)
    taken: frozenset[str] = TAKEN

    def of(self, value: object) -> str:
        """The name of a value; ``""`` where it has none."""
        name = next((name for name, each in self.usable() if each is value), "")
        if name:
            self.used.add(name)
        return name

    def usable(self) -> Iterator[tuple[str, Any]]:
        """The variables that keep their value: not IPython's ``_``, and none that the cells set themselves."""
        for name, value in list(self.known.items()):
            if is_name(name) and not name.startswith("_") and name not in self.taken:
                yield name, value


class UnwritableError(Exception):
    """A value has no name and can't be written as source."""


def written(value: Any, names: Names) -> Code:  # noqa: ANN401, PLR0911 - any value, by its kind
    """A value as an expression that gives an equal one.

    Raises:
        UnwritableError: There is no such expression.

    Example:
        >>> written(nn.CrossEntropyLoss(label_smoothing=0.1), Names({})).text
        'nn.CrossEntropyLoss(label_smoothing=0.1)'
    """
    plain = literal(value)
    if plain:
        return Code(plain)
    name = names.of(value)
    if name:
        return Code(name)
    if isinstance(value, (torch.dtype, torch.device)):
        return Code(str(value) if isinstance(value, torch.dtype) else repr(value), frozenset({"import torch"}))
    if isinstance(value, enum.Enum):
        kind, name = _imported(type(value)), str(value.name)
        if not is_name(name) or getattr(type(value), name, None) is not value:
            raise UnwritableError(f"{type(value).__name__} has no name for this value")
        return Code(f"{kind.text}.{name}", kind.imports)
    if isinstance(value, (list, tuple)):
        parts = [written(item, names) for item in value]
        text = ", ".join(part.text for part in parts)
        brackets = "[{}]" if isinstance(value, list) else "({},)" if len(parts) == 1 else "({})"
        return Code(brackets.format(text), frozenset().union(*(part.imports for part in parts)))
    if isinstance(value, dict):
        return _call("dict", {}, value, names) if all(map(is_name, value)) else _dictionary(value, names)
    if isinstance(value, functools.partial):
        inner = written(value.func, names)
        made = _call("functools.partial", {}, value.keywords, names, (inner, *(written(a, names) for a in value.args)))
        return Code(made.text, made.imports | {"import functools"})
    if inspect.isclass(value) or inspect.isroutine(value):
        return _imported(value)
    return _made(value, names)


def literal(value: Any) -> str:  # noqa: ANN401
    r"""A number or a text as Python has it, whatever a subclass says of itself; ``""`` for anything else.

    Example:
        >>> literal(0.5), literal(float("inf")), literal("a'b"), literal([1])
        ('0.5', "float('inf')", '"a\'b"', '')
    """
    if value is None or value is ...:
        return "None" if value is None else "..."
    kind = next((each for each in (bool, int, float, complex, str, bytes) if isinstance(value, each)), None)
    if kind is None or isinstance(value, enum.Enum):
        return ""
    text = kind.__repr__(value)
    if kind is float and not math.isfinite(value):
        return f"float({text!r})"
    if kind is complex and not (math.isfinite(value.real) and math.isfinite(value.imag)):
        return f"complex({text.strip('()')!r})"
    return text


def is_name(key: object) -> bool:
    """Whether something can be a variable or a keyword argument, and means itself.

    Example:
        >>> is_name("rate"), is_name("class"), is_name("a b"), is_name("\ufb01")
        (True, False, False, False)
    """
    return (
        type(key) is str
        and key.isidentifier()
        and not keyword.iskeyword(key)
        and key != "__debug__"
        and unicodedata.normalize("NFKC", key) == key
    )


def make(code: Code, names: Names) -> Any:  # noqa: ANN401 - whatever it says
    """Evaluate an expression of :func:`written`."""
    space: dict[str, Any] = dict(names.known)
    exec("\n".join(sorted(code.imports)), space)  # noqa: S102 - imports that were looked up, and nothing else
    return eval(code.text, space)  # noqa: S307 - the expression holds literals, names and constructors only


def import_lines(imports: Iterable[str]) -> list[str]:
    """Imports in their usual order, those from one module in one line.

    Example:
        >>> import_lines({"from a import b", "import torch", "from a import c"})
        ['import torch', 'from a import b, c']
    """
    plain: list[str] = []
    named: dict[str, list[str]] = {}
    for line in sorted(imports):
        if line.startswith("from "):
            place, _, name = line.removeprefix("from ").partition(" import ")
            named.setdefault(place, []).append(name)
        else:
            plain.append(line)
    return plain + [f"from {place} import {', '.join(names)}" for place, names in named.items()]


def settings_of(value: object) -> dict[str, Any]:
    """What a constructor was given, read back from the instance by the names of its parameters.

    Raises:
        UnwritableError: Something that the constructor wants is not there.
    """
    try:
        return _settings_of(value)
    except UnwritableError:
        raise
    except Exception as error:
        raise UnwritableError(f"{type(value).__name__} can't be read back ({type(error).__name__})") from error


def _settings_of(value: object) -> dict[str, Any]:
    found = {}
    for item in list(inspect.signature(type(value).__init__).parameters.values())[1:]:
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD) or item.name in _UNSAID:
            continue
        if hasattr(value, item.name):
            given = getattr(value, item.name)
            if item.name == "bias" and isinstance(value, nn.Module):
                given = given is not None
            if item.default is item.empty or not _same(given, item.default):
                found[item.name] = given
        elif item.default is item.empty:
            raise UnwritableError(f"{type(value).__name__} does not keep its {item.name}")
    return found


def _numbers(value: torch.Tensor) -> Code:
    """A few numbers of which all bits can be written: a mean and a deviation, weights of classes."""
    plain = value.device.type == "cpu" and not value.requires_grad and type(value) is torch.Tensor
    if not plain or value.numel() > _FEW or value.dtype not in (torch.float32, torch.float64, torch.int64):
        raise UnwritableError(f"a tensor of {tuple(value.shape)} has no name")
    numbers = written(value.tolist(), Names({})).text
    kind = "" if value.dtype in (torch.float32, torch.int64) else f", dtype={value.dtype}"
    return Code(f"torch.tensor({numbers}{kind})", frozenset({"import torch"}))


def _made(value: Any, names: Names) -> Code:  # noqa: ANN401
    """The call of a constructor, checked by calling it; of a tensor its numbers."""
    if isinstance(value, torch.Tensor):
        return _numbers(value)
    kind = _imported(type(value))
    settings = settings_of(value)
    for unpack in (False, True):  # presets of torchvision keep a number as a list of one
        given = {name: item[0] if unpack and _is_single(item) else item for name, item in settings.items()}
        code = _call(kind.text, _required(type(value)), given, names)
        code = Code(code.text, code.imports | kind.imports)
        if len(code.text) > _LONGEST:
            raise UnwritableError(f"{type(value).__name__} would be {len(code.text):,} characters")
        if not _makes(code, value, names):
            continue
        for name in list(given) if isinstance(value, nn.Module) else ():  # settings that say what is the default
            fewer = _call(kind.text, _required(type(value)), {k: v for k, v in given.items() if k != name}, names)
            fewer = Code(fewer.text, fewer.imports | kind.imports)
            if _makes(fewer, value, names):
                del given[name]
                code = fewer
        return code
    raise UnwritableError(f"{type(value).__name__} can't be made again from what it holds")


def _makes(code: Code, value: object, names: Names) -> bool:
    """Whether an expression makes something like a value."""
    try:
        again = make(code, names)
        return _looks(again) == _looks(value) and _said(settings_of(again)) == _said(settings_of(value))
    except Exception:  # noqa: BLE001 - it is not written so
        return False


def _call(
    kind: str, required: Mapping[str, Any], given: Mapping[str, Any], names: Names, first: tuple[Code, ...] = ()
) -> Code:
    texts = [part.text for part in first]
    imports = {line for part in first for line in part.imports}
    for name, value in given.items():
        if not is_name(name):
            raise UnwritableError(f"{name!r} can't be the name of an argument")
        part = written(value, names)
        imports |= part.imports
        positional = name in required and len(texts) == list(required).index(name)
        texts.append(part.text if positional else f"{name}={part.text}")
    return Code(f"{kind}({', '.join(texts)})", frozenset(imports))


def _dictionary(value: Mapping[Any, Any], names: Names) -> Code:
    pairs = [(written(key, names), written(item, names)) for key, item in value.items()]
    text = ", ".join(f"{key.text}: {item.text}" for key, item in pairs)
    return Code(f"{{{text}}}", frozenset().union(*(key.imports | item.imports for key, item in pairs)))


def _required(kind: type) -> dict[str, Any]:
    """The parameters that come first and have no default, by name."""
    found = {}
    for item in list(inspect.signature(kind.__init__).parameters.values())[1:]:  # type: ignore[misc]
        if item.default is not item.empty or item.kind is not item.POSITIONAL_OR_KEYWORD:
            break
        found[item.name] = item
    return found


def _imported(value: Any) -> Code:  # noqa: ANN401 - a class or a function
    """A class or function by a public name."""
    name, home = getattr(value, "__qualname__", ""), str(getattr(value, "__module__", None) or "")
    for place, line, prefix in _KNOWN:
        # Its short name in the package says the same as its long one in a file of the package.
        if home.startswith(place.partition(".")[0]) and _attribute(place, name) is value:
            return Code(f"{prefix}.{name}", frozenset({line}))
    if home == "__main__" or _attribute(home, name) is not value:
        raise UnwritableError(f"{name or value!r} has no name that another kernel knows")
    if home == "builtins":
        return Code(name)
    package = home.partition(".")[0]
    shorter = next((place for place in (package, home.rpartition(".")[0]) if _attribute(place, name) is value), home)
    return Code(name, frozenset({f"from {shorter} import {name}"}))


def _attribute(place: str, name: str) -> object:
    if not all(map(is_name, [name, *place.split(".")])):
        return None
    try:
        return getattr(importlib.import_module(place), name, None)
    except ImportError:
        return None


def _looks(value: object) -> tuple[type, str]:
    return type(value), _ADDRESS.sub("", repr(value))


def _same(one: object, other: object) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except (RuntimeError, ValueError, TypeError):  # arrays and tensors
        return False


def _is_single(value: object) -> bool:
    return isinstance(value, list) and len(value) == 1


def _said(settings: Mapping[str, Any]) -> str:
    return repr({name: literal(value) or value for name, value in settings.items()})


def needed(make_code: Callable[[], Code], what: str) -> Code:
    """Source that a training can't do without.

    Raises:
        InputError: It can't be written; the sentence asks for a name.
    """
    try:
        return make_code()
    except UnwritableError as error:
        raise InputError(
            f"{what} can't be written as source: {error}.",
            hint="Assign it to a variable in a cell of its own, with a name that the cells don't set themselves; they "
            "then use it by that name.",
        ) from error
