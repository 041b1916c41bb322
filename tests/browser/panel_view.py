"""One panel on the screen: read what is drawn, and use it with mouse and keyboard as a person does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from driver import wait_until
from expected import Graph, Picture

if TYPE_CHECKING:
    from driver import Notebook
    from playwright.sync_api import Frame, FrameLocator, Locator

# Boxes, frames and arrows, read from the drawn SVG; a box without a size is not drawn.
READ = """() => {
  const sized = element => {
    const box = element.getBBox();
    return box.width > 0 && box.height > 0;
  };
  const ids = selector => Array.from(document.querySelectorAll(selector)).filter(sized).map(e => e.dataset.id);
  return {
    nodes: ids('svg g.node[data-id]'),
    clusters: ids('svg .cluster[data-id]'),
    edges: Array.from(document.querySelectorAll('svg [data-edge]'), e => e.dataset.edge),
    touching: Array.from(document.querySelectorAll('svg path[data-edge]'), path => {
      const [from, to] = path.dataset.edge.split('>').map(id => document.querySelector(`svg g.node[data-id="${id}"]`));
      const distance = (point, element) => {
        if (!element) {
          return Infinity;
        }
        const spot = point.matrixTransform(path.getScreenCTM());
        const box = element.getBoundingClientRect();
        const outside = (value, low, high) => Math.max(low - value, value - high, 0);
        return Math.max(outside(spot.x, box.left, box.right), outside(spot.y, box.top, box.bottom));
      };
      if (path.getTotalLength() === 0) {
        return Infinity;
      }
      const scale = path.getScreenCTM().a;
      const start = distance(path.getPointAtLength(0), from);
      const end = distance(path.getPointAtLength(path.getTotalLength()), to);
      return Math.max(start, end) / scale;
    }),
    selected: Array.from(document.querySelectorAll('svg g.select[data-id]'), e => e.dataset.id),
  };
}"""


class PanelView:
    """The panel of a cell (``variable`` is its name in the kernel)."""

    def __init__(self, notebook: Notebook, *, cell: int | None = None, variable: str = "panel") -> None:
        self.notebook = notebook
        self.variable = variable
        cells = notebook.page.locator(".jp-Notebook .jp-CodeCell")
        self.scope = notebook.page.locator("body") if cell is None else cells.nth(cell)
        self.iframe: Locator = self.scope.locator("iframe.netron").first
        self.grid: Locator = self.scope.get_by_role("treegrid", name="Modules").first
        self.status: Locator = self.scope.locator("footer.status").first

    @property
    def inner(self) -> FrameLocator:
        return self.scope.frame_locator("iframe.netron").first

    def frame(self) -> Frame:
        self.iframe.wait_for()
        handle = self.iframe.element_handle()
        return wait_until(handle.content_frame, "the iframe has a document")

    def read(self) -> dict[str, Any]:
        return self.frame().evaluate(READ)

    def graph(self) -> Graph:
        """The recording, as the kernel holds it."""
        encode = "__import__('notebookviz.graph.encode', fromlist=['encode']).encode"
        return Graph(self.notebook.ask_json(f"{encode}({self.variable}.recording)"))

    def state(self) -> dict[str, Any]:
        """What the kernel was told of the panel's state."""
        return self.notebook.ask_json(f"dict({self.variable}.state)")

    def opened(self) -> set[int]:
        """What is open, read from the drawn frames."""
        return {int(name) for name in self.read()["clusters"]} | {0}

    def wait_drawn(self, graph: Graph, opened: set[int] | None = None) -> Picture:
        """Wait until exactly what is expected for these opened modules is drawn."""
        wanted = graph.picture(opened if opened is not None else graph.data["opened"])
        last: list[str] = []

        def matches() -> bool:
            last[:] = self.differences(wanted)
            return not last

        try:
            wait_until(matches, "the drawing is what the recording says")
        except AssertionError as error:
            message = "; ".join(last)
            raise AssertionError(message) from error
        return wanted

    def differences(self, wanted: Picture) -> list[str]:
        """What is drawn but not wanted, or wanted but not drawn, in words."""
        drawn = self.read()
        boxes = {name for name in drawn["nodes"] if name.isdigit()}
        edges = Counter(drawn["edges"])
        wanted_edges = Counter(f"{start}>{end}" for _, start, end in wanted.edges)
        found = []
        for what, got, want in (
            ("boxes", boxes, {str(index) for index in wanted.nodes}),
            ("frames", set(drawn["clusters"]), {str(index) for index in wanted.clusters}),
            ("arrows", set(edges.items()), set(wanted_edges.items())),
        ):
            if got != want:
                found.append(f"{what}: too many {sorted(got - want)[:8]}, missing {sorted(want - got)[:8]}")
        if len(boxes) != len([name for name in drawn["nodes"] if name.isdigit()]):
            found.append("a box is drawn twice")
        return found

    def box(self, index: int) -> Locator:
        return self.inner.locator(f'svg g.node[data-id="{index}"]')

    def open_module(self, index: int) -> None:
        """Click the + of a module in the graph."""
        self.box(index).locator(".nbv-toggle").click()

    def close_module(self, index: int) -> None:
        """Click the − in the title of an opened module."""
        self.inner.locator(f'svg .cluster[data-id="{index}"] .nbv-title-toggle').click()

    def row(self, index: int) -> Locator:
        return self.grid.locator(f'[role=row][id$="-{index}"]')

    def click_row(self, index: int) -> None:
        self.row(index).locator(".text").click()

    def selected_row(self) -> int | None:
        """The selected row's node, or the one whose operator is selected."""
        row = self.grid.locator(".body .row.selected, .body .row.near")
        return int(str(row.first.get_attribute("id")).rpartition("-")[2]) if row.count() else None

    def select_box(self, index: int) -> None:
        """Click a box in the graph, on its name."""
        self.box(index).locator(".node-item").first.click()
