"""The figure that all plots share: its ink is that of the page it stands in, its colours are told apart by all eyes."""

from __future__ import annotations

import io
import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from notebookviz.errors import MissingExtraError

try:
    import matplotlib as mpl
    import seaborn as sns  # noqa: F401 - all plots need it
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError(str(error.name or "matplotlib").partition(".")[0], extra="plots") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK: Final = "#1c1e21"
# Of Okabe and Ito: told apart without red and green, and at least 3:1 on white and on black.
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_HEAD: Final = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_SIZE: Final = re.compile(r'<svg [^>]*?width="([\d.]+)pt"')
_STYLE: Final[Any] = {  # the names of matplotlib's own settings
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "font.size": 10,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "svg.fonttype": "path",
    "text.color": INK,
    "text.parse_math": False,  # labels are the user's: a $ is a $
    "xtick.color": INK,
    "ytick.color": INK,
}


class Plot(Figure):
    """A matplotlib figure that shows itself in a notebook in the page's own ink, light or dark."""

    description = ""

    def _repr_html_(self) -> str:
        text = io.StringIO()
        with mpl.rc_context({**_STYLE, "svg.hashsalt": secrets.token_hex(8)}):
            self.savefig(text, format="svg", facecolor="none", metadata={"Date": None}, bbox_inches="tight")
        svg = _HEAD.sub("", text.getvalue()).replace(INK, "currentColor")
        found = _SIZE.search(svg)
        width = f"{float(found[1]) * 4 / 3:.0f}px" if found is not None else "100%"
        label = self.description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        return svg.replace(
            "<svg ", f'<svg role="img" aria-label="{label}" style="width: {width}; max-width: 100%; height: auto" ', 1
        )

    def _repr_png_(self) -> bytes:
        data = io.BytesIO()
        self.savefig(data, format="png", dpi=144, bbox_inches="tight")
        return data.getvalue()

    def __repr__(self) -> str:
        """What it shows."""
        return f"<{self.description}>"


@contextmanager
def drawing(description: str, rows: int, columns: int, size: tuple[float, float]) -> Iterator[tuple[Plot, list[Axes]]]:
    """A figure with so many axes of one size in inches; those that are not used are to be removed."""
    with mpl.rc_context(_STYLE):
        figure = Plot(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
        figure.description = description
        axes = figure.subplots(rows, columns, squeeze=False)
        yield figure, list(axes.flat)


def shown(text: object, most: int) -> str:
    r"""A name in one line, without what no font has, and not so long that it fills the figure.

    Example:
        >>> shown("a\nb\0", 8), shown("a long name", 6)
        ('a b ', 'a lon…')
    """
    plain = "".join(each if each.isprintable() else " " for each in str(text)[: most + 1])
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def ink_on(red: float, green: float, blue: float) -> str:
    """Black or white, whichever is read better on a colour.

    Example:
        >>> ink_on(1.0, 0.9, 0.2), ink_on(0.0, 0.1, 0.3)
        ('#000000', '#ffffff')
    """
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]  # noqa: PLR2004 - sRGB
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"  # noqa: PLR2004 - where both have the same contrast
