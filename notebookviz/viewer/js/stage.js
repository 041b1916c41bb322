/** The right side: the path of the selection, what fills the canvas, zoom, and what covers the page when there is nothing to draw yet. */

import { button, element } from './dom.js';
import { digits } from './format.js';
import { openMenu } from './popover.js';

const KEYS = 'In the graph: Enter opens or closes what is selected, Shift+Enter shows only that, Backspace goes back; A lights all it depends on, D all that depends on it.';

export class Stage {

    /**
     * @param {object} handlers
     * @param {(name: string) => void} handlers.command
     * @param {(id: number) => void} handlers.select
     * @param {(id: number) => void} handlers.enter Let a module fill the canvas.
     * @param {() => {label: string, note?: string, press: () => void}[]} handlers.levels What can be opened at once.
     * @param {(text: string) => void} handlers.copy
     */
    constructor(handlers) {
        this._handlers = handlers;
        this._path = element('nav', { class: 'path', 'aria-label': 'Selection' });
        this._place = { inside: 0, enterable: null, outer: 0 };
        this._structural = true;
        this._back = button({ icon: 'back', label: 'Back', class: 'tool', press: () => handlers.enter(this._place.outer) });
        this._only = button({ icon: 'only', label: 'Show only this module', class: 'tool', press: () => handlers.enter(this._place.enterable) });
        this._levels = button({ icon: 'levels', text: 'Open', label: 'Open and close by depth', class: 'tool', press: () => openMenu(this._bar, this._levels, 'Open and close by depth', handlers.levels(), KEYS) });
        this._levels.setAttribute('aria-haspopup', 'menu');
        this._modules = button({ icon: 'modules', text: 'Modules', label: 'Modules as functions: each opens by itself', class: 'tool', press: () => this._turn?.() });
        this._back.hidden = this._only.hidden = this._levels.hidden = this._modules.hidden = true;
        this._expression = '';
        this._copy = button({ icon: 'copy', label: 'Copy as Python', class: 'tool', press: () => handlers.copy(this._expression) });
        this._copy.hidden = true;
        const tool = (icon, label, name) => button({ icon, label, class: 'tool', press: () => handlers.command(name) });
        this._cover = element('div', { class: 'cover', hidden: true });
        this._page = element('div', { class: 'page' });
        this._bar = element('div', { class: 'bar trail' }, this._back, this._path, element('div', { class: 'tools' }, this._copy, this._modules, this._levels, this._only,
            tool('fit', 'Fit the graph', 'fit'), tool('plus', 'Zoom in', 'zoom-in'), tool('minus', 'Zoom out', 'zoom-out')));
        this._which = element('span', { class: 'which', role: 'status' });
        this._earlier = button({ icon: 'previous', text: 'Previous', label: 'Draw the nodes before', class: 'tool', press: () => handlers.command('previous-part') });
        this._later = button({ icon: 'next', text: 'Next', label: 'Draw the nodes after', class: 'tool', press: () => handlers.command('next-part') });
        this._part = element('div', { class: 'part', hidden: true }, this._which, this._earlier, this._later);
        this.node = element('section', { class: 'stage', 'aria-label': 'Graph' },
            this._bar, this._part,
            element('div', { class: 'drawing' }, this._page, this._cover));
    }

    /** @param {import('./link.js').PageLink} link */
    hold(link) {
        link.place(this._page);
    }

    /** @param {HTMLElement} legend What the colours of the graph mean. */
    set legend(legend) {
        this.node.append(legend);
    }

    /**
     * @param {{id: number, name: string, fold: boolean}[]} steps From the model to the selected node.
     * @param {number} inside What fills the canvas.
     * @param {number|null} enterable What could fill it instead.
     */
    show(steps, inside, enterable) {
        const depth = steps.findIndex(({ id }) => id === inside);
        const outer = steps.slice(0, Math.max(0, depth)).filter(({ fold }) => !fold).pop();
        const name = steps.find(({ id }) => id === enterable)?.name;
        this._place = { inside, enterable, outer: outer ? outer.id : 0 };
        this._offer();
        this._only.disabled = enterable === null;
        say(this._back, outer ? `Back to ${outer.name} (Backspace)` : 'Back');
        say(this._only, name ? `Show only ${name} (Shift+Enter)` : 'Show only one module: select it first');
        this._path.replaceChildren(...steps.flatMap(({ id, name }, index) => {
            const last = index === steps.length - 1;
            const step = element('button', {
                type: 'button', class: index < depth ? 'step outer' : 'step', text: name, title: index < depth ? `Back to ${name}` : name,
                'aria-current': last ? 'true' : null, on: { click: () => (index < depth ? this._handlers.enter(id) : this._handlers.select(id)) }
            });
            return index ? [element('span', { class: 'sep', text: '›', 'aria-hidden': 'true' }), step] : [step];
        }));
    }

    /** @param {string} text Python that gives the selected module; may be empty. */
    set expression(text) {
        this._expression = text;
        this._copy.hidden = !text;
        say(this._copy, `Copy ${text}`);
    }

    /** Whether the modules of what is drawn can be functions, and are. @param {{pressed: boolean, press: () => void}|null} modules */
    set modules(modules) {
        this._modules.hidden = modules === null;
        this._modules.setAttribute('aria-pressed', String(Boolean(modules?.pressed)));
        this._turn = modules?.press;
    }

    /** Whether what is drawn has modules that open. @param {boolean} shown */
    set structural(shown) {
        this._structural = shown;
        this._offer();
    }

    _offer() {
        this._levels.hidden = this._only.hidden = !this._structural;
        this._back.hidden = !this._structural || this._place.inside === 0;
    }

    /** Which part is drawn, where there are too many nodes to draw all. @param {{from: number, boxes: number, total: number}} part */
    set part({ from, boxes, total }) {
        this._part.hidden = boxes === total;
        this._which.textContent = boxes === total ? '' : `Nodes ${digits(from + 1)} to ${digits(from + boxes)} of ${digits(total)}`;
        this._earlier.disabled = from === 0;
        this._later.disabled = from + boxes === total;
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

function say(button, text) {
    button.title = text;
    button.setAttribute('aria-label', text);
}
