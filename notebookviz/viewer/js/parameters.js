/** The Parameters tab: the values of what the selected module itself holds, read when they are looked at. */

import { button, element } from './dom.js';
import { count, digits, shape } from './format.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 72;
const SIDE = 36; // pixels of a drawn filter, about

export class Parameters {

    /**
     * @param {object} parts
     * @param {((params: object) => Promise<{result: any, buffers: Uint8Array[]}>)|null} parts.ask Null where there is no kernel.
     * @param {() => {path: string, name: string, said: string}} parts.chosen What is selected: a module's path, or a sentence.
     */
    constructor(parts) {
        this._parts = parts;
        this._shown = false;
        this._turn = 0;
        this._path = null;
        this.node = element('section', { class: 'values', 'aria-label': 'Parameters', 'aria-live': 'polite' });
    }

    /** @param {boolean} shown */
    set shown(shown) {
        this._shown = shown;
        if (shown) {
            this.look(true);
        }
    }

    /** The selection or the model has changed. @param {boolean} [again] Read the values of the same module again. */
    look(again = false) {
        if (!this._shown) {
            return;
        }
        const { path, name, said } = this._parts.chosen();
        if (!this._parts.ask || said) {
            this._path = null;
            this._say(name, said || 'This is a saved view: without a kernel there are no values to read.');
        } else if (again || path !== this._path) {
            this._read(path, name);
        }
    }

    async _read(path, name) {
        const turn = ++this._turn;
        this._path = path;
        this.node.setAttribute('aria-busy', 'true');
        try {
            const { result, buffers } = await this._parts.ask({ path });
            if (turn === this._turn) {
                this._draw(name, result, buffers[0]);
            }
        } catch (error) {
            if (turn === this._turn) {
                this._say(name, error.message);
            }
        } finally {
            if (turn === this._turn) {
                this.node.removeAttribute('aria-busy');
            }
        }
    }

    _say(name, text) {
        this._turn += 1;
        this.node.removeAttribute('aria-busy');
        this.node.replaceChildren(element('h2', { text: name }), element('p', { class: 'said', text }));
    }

    _draw(name, { type, tensors, inside, filters }, pixels) {
        const more = inside ? `The modules inside it hold ${count(inside)}${tensors.length ? ' more' : ''}: select one of them.` : '';
        const none = tensors.length ? '' : `This ${type} has no parameters or buffers of its own.`;
        const said = [none, more].filter(Boolean).join(' ');
        const again = button({ icon: 'refresh', text: 'Read again', label: 'Read the values again', class: 'tool', press: () => this.look(true) });
        const parts = [element('div', { class: 'values-head' }, element('h2', { text: name }), tensors.length ? again : null)];
        if (said) {
            parts.push(element('p', { class: 'said', text: said }));
        }
        parts.push(...tensors.map(card));
        if (filters) {
            parts.push(pictures(filters, pixels));
        }
        this.node.replaceChildren(...parts);
    }
}

/**
 * What the tab is about when a node is selected.
 * @param {import('./recording.js').Recording|null} recording
 * @param {number|null} selected
 * @returns {{path: string, name: string, said: string}}
 */
export function moduleOf(recording, selected) {
    if (!recording) {
        return { path: '', name: 'Parameters', said: 'The model is being looked at.' };
    }
    let at = selected ?? 0;
    while (recording.nodes[at].kind === 'operator') {
        at = recording.nodes[at].parent;
    }
    const { kind, path, name, type } = recording.nodes[at];
    const said = kind === 'fold' ? 'These are several modules: open them and select one.' : '';
    return { path, name: kind === 'fold' ? name : [path, type].filter(Boolean).join(' · '), said };
}

/** One tensor. */
function card(tensor) {
    const facts = [`${shape(tensor.shape)} ${tensor.dtype}`, tensor.kind, tensor.kind === 'parameter' ? (tensor.learns ? 'learns' : 'frozen') : ''];
    const numbers = element('dl', {}, ...tensor.numbers.map(([name, value]) => element('div', { class: ['NaN', 'Inf'].includes(name) ? 'bad' : null },
        element('dt', { text: name }), element('dd', { text: value }))));
    return element('article', { class: 'tensor', 'aria-label': tensor.name }, element('h3', {}, element('b', { text: tensor.name }), element('span', { text: facts.filter(Boolean).join(', ') })),
        tensor.said ? element('p', { class: 'said', text: tensor.said }) : null,
        element('div', { class: 'figures' }, tensor.histogram ? bars(tensor) : null, tensor.numbers.length ? numbers : null));
}

/** A histogram. */
function bars({ name, histogram: { low, high, counts } }) {
    const svg = shaped('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT + 16}`, role: 'img', 'aria-label': `Histogram of ${name}: from ${short(low)} to ${short(high)}` });
    const most = Math.max(...counts);
    const width = WIDTH / counts.length;
    counts.forEach((number, at) => {
        const height = number ? Math.max(1, (HEIGHT * number) / most) : 0; // one value is seen beside millions
        const bar = shaped('rect', { x: at * width, y: HEIGHT - height, width: Math.max(width - 0.7, 0.5), height });
        const step = (high - low) / counts.length;
        const title = shaped('title', {});
        title.textContent = `${digits(number)} from ${short(low + at * step)} to ${short(low + (at + 1) * step)}`;
        bar.append(title);
        svg.append(bar);
    });
    if (low < 0 && high > 0) {
        const zero = (WIDTH * -low) / (high - low);
        svg.append(shaped('line', { class: 'zero', x1: zero, x2: zero, y1: 0, y2: HEIGHT }));
    }
    for (const [value, x, anchor] of [[low, 0, 'start'], ...(high > low ? [[high, WIDTH, 'end']] : [])]) {
        const text = shaped('text', { x, y: HEIGHT + 12, 'text-anchor': anchor });
        text.textContent = short(value);
        svg.append(text);
    }
    return svg;
}

/** Filters side by side, as large as can be seen. */
function pictures({ count: number, height, width, of }, pixels) {
    const factor = Math.max(1, Math.round(SIDE / Math.max(height, width)));
    const holder = element('div', { class: 'filters' });
    for (let at = 0; at < number; at++) {
        const canvas = element('canvas', { width, height, role: 'img', 'aria-label': `Filter ${at}`, title: `Filter ${at}` });
        const image = new ImageData(width, height);
        for (let pixel = 0; pixel < width * height; pixel++) {
            image.data.set([...pixels.subarray(3 * (at * width * height + pixel), 3 * (at * width * height + pixel) + 3), 255], 4 * pixel);
        }
        canvas.getContext('2d').putImageData(image, 0, 0);
        canvas.style.width = `${width * factor}px`;
        holder.append(canvas);
    }
    const what = number < of ? `The first ${number} of ${count(of)} filters` : `${number} filter${number === 1 ? '' : 's'}`;
    return element('article', { class: 'tensor' }, element('h3', {}, element('b', { text: what }), element('span', { text: `${height}×${width}` })), holder);
}

function shaped(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) {
        made.setAttribute(name, value);
    }
    return made;
}

function short(number) {
    return String(Number(number.toPrecision(3)));
}
