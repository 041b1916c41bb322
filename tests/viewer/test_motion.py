"""What a click does not cost: nothing outside of the window moves, no text is measured in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.graph import samples
from tests.graph.expected import openable

if TYPE_CHECKING:
    from tests.viewer.harness.driver import Harness

pytestmark = [pytest.mark.browser, pytest.mark.motion]

# Boxes by their ids: the transform that each has had, as told by an observer, and the last of them.
# And how many frames are waited for: none once all stands.
WATCH = """() => {
    window.moved = new Map();
    window.waiting = 0;
    const { requestAnimationFrame } = window;
    window.requestAnimationFrame = (then) => {
        window.waiting += 1;
        return requestAnimationFrame((now) => {
            window.waiting -= 1;
            then(now);
        });
    };
    window.transitions = 0;
    addEventListener('transitionrun', () => { window.transitions += 1; }, true);
    new MutationObserver((changes) => {
        for (const { target } of changes) {
            const id = target.dataset.id;
            if (id) window.moved.set(id, (window.moved.get(id) ?? 0) + 1);
        }
    }).observe(document.getElementById('origin'), { attributeFilter: ['transform'], subtree: true });
}"""
WINDOW = """() => {
    const area = document.getElementById('target').getBoundingClientRect();
    const outside = [...document.querySelectorAll('#nodes > [data-id]')].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.top > area.bottom || box.bottom < area.top;
    });
    return [outside.map((element) => element.dataset.id), [...window.moved.keys()], window.transitions];
}"""
PLACES = """() => Object.fromEntries(
    [...document.querySelectorAll('#origin :is([data-id], [data-edge], [data-label])')].map((item) => {
        const { id, edge, label } = item.dataset;
        return [id ?? edge ?? `label ${label}`, [item.getAttribute('transform') || '', item.style.opacity || '1']];
    })
)"""
SIZES = """() => [...document.querySelectorAll('#nodes > .node, .nbv-title')].map((box) => {
    const [back, ...others] = [...box.querySelectorAll('path, rect')].map((item) => item.getBoundingClientRect());
    const texts = [...box.querySelectorAll('text')].map((item) => item.getBoundingClientRect());
    const all = [back, ...others];
    const [left, right] = [Math.min(...all.map((item) => item.left)), Math.max(...all.map((item) => item.right))];
    return Math.min(...texts.map((item) => Math.min(item.left - left, right - item.right)));
})"""


def test_only_what_is_seen_moves_and_all_ends_in_its_place(harness: Harness) -> None:
    recording = samples.residual(14)
    everything = openable(recording)
    harness.show(recording, opened=everything)
    first = sorted(everything)[2]  # the root, all layers, the first block
    harness.frame.evaluate(WATCH)
    harness.open(everything - {first}, first)
    harness.frame.wait_for_function("() => window.waiting === 0", polling=50)
    outside, moved, transitions = harness.frame.evaluate(WINDOW)
    assert len(outside) > 20
    assert moved
    assert not set(outside) & set(moved)
    assert transitions == 0
    after = harness.frame.evaluate(PLACES)
    harness.show(recording, opened=everything - {first})
    assert after == harness.frame.evaluate(PLACES), "not as the same drawing from scratch"


def test_texts_measured_apart_fit_their_boxes(harness: Harness) -> None:
    for zoom in (1, 0.7):
        recording = samples.residual(3)
        harness.show(recording, opened=[0], view={"zoom": zoom, "x": 0, "y": 0})
        harness.open(openable(recording))
        room = harness.frame.evaluate(SIZES)
        assert len(room) > 10
        assert min(room) >= 3 * zoom, "a text reaches to the edge of its box"
        assert max(room) < 120, "a box is far wider than its text"
