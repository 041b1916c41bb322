/** Curves as a small drawing: axes, lines, what they are and, where one comes after the other, their last values. */

import { element } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 360;
const HEIGHT = 150;
const MOST_DOTS = 20; // more of them would be a chain of beads
const EDGE = { left: 44, right: 10, top: 8, bottom: 20 };

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {'train'|'val'|'plain'} kind How it is drawn.
 * @property {[number, number|null][]} points
 */

/**
 * @param {string} title What is drawn, for readers of the screen too.
 * @param {Line[]} lines
 * @param {{log?: boolean, mark?: number|null, across?: string, within?: [number, number]}} [options] `log`: the axis across has a logarithmic scale;
 *     `mark`: a place across that is marked; `across`: what goes across; `within`: bounds of the values.
 * @returns {HTMLElement}
 */
export function chart(title, lines, options = {}) {
    const drawn = lines.map((line) => ({ ...line, points: line.points.filter(([, value]) => value !== null) })).filter(({ points }) => points.length);
    const points = drawn.flatMap((line) => line.points);
    const svg = shape('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', class: 'curves', 'aria-label': said(title, drawn) });
    if (points.length) {
        const place = options.log ? Math.log10 : (number) => number;
        const across = scale(points.map(([at]) => place(at)), EDGE.left, WIDTH - EDGE.right);
        const values = points.map(([, value]) => value);
        const up = scale(options.within ?? values, HEIGHT - EDGE.bottom, EDGE.top);
        const clamp = (y) => Math.max(EDGE.top - 4, Math.min(HEIGHT - EDGE.bottom + 4, y));
        for (const value of up.ticks) {
            svg.append(shape('line', { class: 'rule', x1: EDGE.left, x2: WIDTH - EDGE.right, y1: up.at(value), y2: up.at(value) }),
                text(number(value), EDGE.left - 6, up.at(value) + 4, 'end'));
        }
        const ats = points.map(([at]) => at);
        const ends = [...new Set([ats.reduce((a, b) => Math.min(a, b)), ats.reduce((a, b) => Math.max(a, b))])];
        const anchors = ends.length > 1 ? ['start', 'end'] : ['middle'];
        ends.forEach((end, index) => svg.append(text(options.log ? end.toExponential(0) : number(end), across.at(place(end)), HEIGHT - 5, anchors[index])));
        if (options.across && ends.length > 1) {
            svg.append(text(options.across, (EDGE.left + WIDTH - EDGE.right) / 2, HEIGHT - 5, 'middle'));
        }
        if (options.mark) {
            const x = across.at(place(options.mark));
            svg.append(shape('line', { class: 'marked', x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
        }
        for (const { kind, points: own } of drawn) {
            const spots = own.map(([at, value]) => [across.at(place(at)), clamp(up.at(value))].map((each) => each.toFixed(1)));
            svg.append(shape('polyline', { class: `curve ${kind}`, points: spots.map((spot) => spot.join()).join(' ') }));
            if (spots.length === 1 || (kind === 'val' && spots.length <= MOST_DOTS)) {
                spots.forEach(([x, y]) => svg.append(shape('circle', { class: `dot ${kind}`, cx: x, cy: y, r: 2.5 })));
            }
        }
    }
    const legend = element('figcaption', {}, element('b', { text: title }), ...drawn.map(({ name, kind, points: own }) => element('span', { class: `key ${kind}` },
        options.log ? name : `${name} ${number(own[own.length - 1][1])}`)));
    return element('figure', { class: 'chart' }, legend, svg);
}

/** A number in three digits. @param {number} value */
export function number(value) {
    const size = Math.abs(value);
    return size && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

function said(title, lines) {
    const parts = lines.map(({ name, points }) => `${name} from ${number(points[0][1])} to ${number(points[points.length - 1][1])}`);
    return `${title}: ${parts.join(', ') || 'nothing yet'}`;
}

/** Places numbers between two edges, with a few round ticks. */
function scale(numbers, from, to) {
    let low = numbers.reduce((a, b) => Math.min(a, b), Infinity);
    let high = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
    if (low === high) {
        [low, high] = [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
    }
    const step = round((high - low) / 4);
    const ticks = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) {
        ticks.push(Number(tick.toPrecision(12)));
    }
    return { ticks, at: (value) => from + (value - low) / (high - low) * (to - from) };
}

/** The next round step: 1, 2 or 5 and zeros. */
function round(step) {
    const power = 10 ** Math.floor(Math.log10(step));
    return power * [1, 2, 5, 10].find((each) => each * power >= step * 0.999);
}

function shape(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, String(value)));
    return made;
}

function text(content, x, y, anchor) {
    const made = shape('text', { x, y, 'text-anchor': anchor });
    made.textContent = content;
    return made;
}
