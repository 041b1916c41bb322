"""What a notebook keeps of a panel beside the widget: a picture with the table, and a script that opens the panel.

The widget, while it is alive, hides both.  In a notebook that is opened without its kernel, or exported, the script
opens the panel from what it holds; where no script runs, picture and table stand.
"""

from __future__ import annotations

import base64
import html
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from notebookviz.viewer import bundle, netron
from notebookviz.viewer.packer import own_text
from notebookviz.viewer.static import LICENCE, script_json

if TYPE_CHECKING:
    from notebookviz.viewer.static import Contents

PICTURE: Final = "picture"
PAGE: Final = "page"
LARGEST_PICTURE: Final = 1 << 20
_PICTURE: Final = """\
<div data-notebookviz-picture="{key}">
<div style="max-height:480px;overflow:auto;border:1px solid #8884">
<img alt="Graph of {name}" src="data:image/svg+xml;base64,{data}">
</div>
<p style="font-size:13px">{name} as it was last drawn. Trust the notebook or run the cell to open modules.</p>
{table}
</div>"""
_TABLE: Final = """\
<div data-notebookviz-picture="{key}">
{table}
</div>"""


def picture_html(key: str, name: str, table: str, picture: bytes = b"") -> str:
    """HTML without scripts: the picture that the page has sent, if any, and the table.

    Args:
        key: The panel's.
        name: What is shown.
        table: HTML made by us.
        picture: An SVG.

    Example:
        >>> "<img" in picture_html("7", "<b>", "<p>table</p>", b"<svg/>")
        True
    """
    if not picture or len(picture) > LARGEST_PICTURE:
        return _TABLE.format(key=key, table=table)
    data = base64.b64encode(picture).decode()
    return _PICTURE.format(key=key, name=html.escape(name), data=data, table=table)


def waiting_script(key: str, part: str) -> str:
    """What takes the place of an output that can't be written yet.

    Args:
        key: The panel's.
        part: :data:`PICTURE` or :data:`PAGE`.

    Example:
        >>> waiting_script("7", PAGE)
        'element.dataset.notebookvizPage = "7";'
    """
    return f'element.dataset.notebookviz{part.capitalize()} = "{key}";'


def output_script(key: str, contents: Contents, height: int, *, whole: bool = True) -> str:
    """The script: what ``output.js`` does, with all that it needs.

    Args:
        key: The panel's.
        contents: What the panel holds.
        height: In pixels.
        whole: With what all panels share, 300 kB; else another output of the notebook has to hold that.

    Example:
        >>> from notebookviz.viewer.static import Contents
        >>> "</" in output_script("7", Contents({"kind": "structure", "name": "</script>"}), 600)
        False
    """
    given = {
        "id": key,
        "facts": contents.facts(height=height),
        "version": f"{version('notebookviz')}, netron {netron.version()}",
        "packed": base64.b64encode(bundle.smallest()).decode() if whole else "",
    }
    code = own_text("output").partition("*/")[2].strip()
    notice = f"Made with notebookviz (Apache-2.0). Drawn by Netron, copyright (c) Lutz Roeder, MIT licence:\n{LICENCE}"
    return f"/* {notice} */\n({code})(element, {script_json(given)});"
