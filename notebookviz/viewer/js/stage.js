/** The right side: the path of the selection, zoom, and what covers the page when there is nothing to draw yet. */

import { button, element } from './dom.js';

export class Stage {

    /**
     * @param {object} handlers
     * @param {(name: string) => void} handlers.command
     * @param {(id: number) => void} handlers.select
     */
    constructor(handlers) {
        this._handlers = handlers;
        this._path = element('nav', { class: 'path', 'aria-label': 'Selection' });
        const tool = (icon, label, name) => button({ icon, label, class: 'tool', press: () => handlers.command(name) });
        this._cover = element('div', { class: 'cover', hidden: true });
        this._page = element('div', { class: 'page' });
        this.node = element('section', { class: 'stage', 'aria-label': 'Graph' },
            element('div', { class: 'bar trail' }, this._path, element('div', { class: 'tools' },
                tool('fit', 'Fit the graph', 'fit'), tool('plus', 'Zoom in', 'zoom-in'), tool('minus', 'Zoom out', 'zoom-out'))),
            element('div', { class: 'drawing' }, this._page, this._cover));
    }

    /** @param {HTMLIFrameElement} frame */
    hold(frame) {
        this._page.append(frame);
    }

    /** @param {HTMLElement} legend What the colours of the graph mean. */
    set legend(legend) {
        this.node.append(legend);
    }

    /** @param {{id: number, name: string}[]} steps From the model to the selected node. */
    set path(steps) {
        this._path.replaceChildren(...steps.flatMap(({ id, name }, index) => {
            const last = index === steps.length - 1;
            const step = element('button', {
                type: 'button', class: 'step', text: name, title: name, 'aria-current': last ? 'true' : null, on: { click: () => this._handlers.select(id) }
            });
            return index ? [element('span', { class: 'sep', text: '›', 'aria-hidden': 'true' }), step] : [step];
        }));
    }

    /** @param {string} text What stands instead of steps. */
    set label(text) {
        this._path.replaceChildren(element('span', { class: 'step', text }));
    }

    /**
     * Cover the page with a sentence and at most one button; null uncovers it.
     * @param {{title: string, text?: string, action?: string, press?: () => void, busy?: boolean}|null} notice
     */
    cover(notice) {
        this._cover.hidden = notice === null;
        if (notice === null) {
            this._cover.replaceChildren();
            return;
        }
        const parts = [notice.busy ? element('div', { class: 'spin', 'aria-hidden': 'true' }) : null, element('p', { class: 'title', text: notice.title }),
            notice.text ? element('p', { class: 'text', text: notice.text }) : null,
            notice.action ? element('button', { type: 'button', class: 'action', text: notice.action, on: { click: notice.press } }) : null];
        this._cover.replaceChildren(...parts.filter((part) => part !== null));
    }
}
