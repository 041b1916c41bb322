"""When a graph is drawn: every box has a size and its place, and a frame has passed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Frame, Page

# Runs in every frame before its own scripts: tells at which moment how many boxes stood, all of them with a size, and
# in their places (Netron builds the boxes first and lays them out then), and seen: a page without a size is not.
# It looks when something has changed, and asks for no frame otherwise: a notebook that draws 60 frames a second only to
# be watched takes processor time from both roads.
# (Netron's own page forbids eval, so it can't be asked; it has to tell.)
_WATCH = """(() => {
  const tell = window.__boxes;
  let last = 0;
  let asked = false;
  const look = () => {
    asked = false;
    const boxes = document.querySelectorAll('svg g.node');
    if (boxes.length !== last && innerWidth > 0) {
      const whole = Array.from(boxes).every(box => {
        const size = box.getBBox();
        return size.width > 0 && size.height > 0 && box.hasAttribute('transform');
      });
      if (whole) {
        last = boxes.length;
        requestAnimationFrame(() => tell(boxes.length, Date.now()));
      }
    }
  };
  const changed = () => {
    if (!asked) {
      asked = true;
      requestAnimationFrame(look);
    }
  };
  new MutationObserver(changed).observe(document, { childList: true, subtree: true, attributes: true });
  addEventListener('resize', changed);
  changed();
})();"""
_STILL_SECONDS = 0.5


@dataclass
class Drawings:
    """What was drawn in each frame of a browser context, and when."""

    told: dict[Frame, list[tuple[int, float]]] = field(default_factory=dict)

    def watch(self, context: BrowserContext) -> None:
        """Watch each frame that this context will have."""
        context.expose_binding("__boxes", self._tell)
        context.add_init_script(_WATCH)

    def _tell(self, source: Any, boxes: int, moment: float) -> None:  # noqa: ANN401 - Playwright's own dictionary
        if boxes:
            self.told.setdefault(source["frame"], []).append((boxes, moment / 1000))

    def wait_for(self, page: Page, number: int, seconds: float = 120) -> tuple[float, int]:
        """Wait until the ``number``-th graph is drawn; returns the moment (epoch seconds) and its boxes.

        The number of boxes must stay the same for half a second, then the moment at which it was first reached counts.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.wait_for_timeout(100)  # the moment is the page's own
            drawn = list(self.told.values())
            if len(drawn) >= number:
                boxes, moment = drawn[number - 1][-1]
                if time.time() - moment > _STILL_SECONDS:
                    return moment, boxes
        message = f"No graph was drawn within {seconds} s."
        raise TimeoutError(message)
