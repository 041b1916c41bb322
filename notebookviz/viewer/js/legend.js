/** What an overlay's colours mean, drawn below the graph in a picture file. */

import { ODD, OTHER } from './palette.js';
import { line } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const ROW = 18;
const CHIP = 12;
const RAMP = 180;
const LETTER = 6.5; // about as wide as a letter is

/**
 * @typedef {object} Legend
 * @property {string} title
 * @property {number} odd How many values are no finite number.
 * @property {string[]} [stops] The ramp of numbers from `low` to `high`, or from one number to the `same`.
 * @property {string} [low]
 * @property {string} [high]
 * @property {boolean} [same]
 * @property {{word: string, fill: string}[]} [entries] Words, and how many `others` share a colour.
 * @property {number} [others]
 */

/** @param {Document} document @param {Legend} legend @returns {{element: SVGElement, width: number, height: number}} */
export function drawLegend(document, { title, odd, stops, low, high, same, entries, others }) {
    const create = (tag, parent, attributes, text) => {
        const element = document.createElementNS(SVG, tag);
        Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
        if (text !== undefined) {
            element.textContent = text;
        }
        parent?.append(element);
        return element;
    };
    const group = create('g', null, { class: 'nbv-legend' });
    let [rows, letters] = [0, 0];
    const say = (text, x, attributes = {}) => {
        letters = Math.max(letters, x / LETTER + text.length);
        create('text', group, { x, y: rows * ROW + CHIP - 2, ...attributes }, text);
    };
    say(title, 0, { class: 'nbv-legend-title' });
    rows += 1;
    if (stops && low) {
        const ramp = create('linearGradient', group, { id: 'nbv-ramp' });
        (same ? stops.slice(-1) : stops).forEach((colour, at) => create('stop', ramp, { 'offset': at / Math.max(1, stops.length - 1), 'stop-color': colour }));
        const start = same ? 0 : low.length * LETTER + 8;
        if (!same) {
            say(low, 0);
        }
        create('rect', group, { x: start, y: rows * ROW, width: RAMP, height: CHIP, fill: 'url(#nbv-ramp)' });
        say(high, start + RAMP + 8);
        rows += 1;
    }
    const chips = [...(entries ?? []).map(({ word, fill }) => [fill, line(word, 40)]), ...(others ? [[OTHER, `${others} other words`]] : []), ...(odd ? [[ODD, `NaN or infinite: ${odd}`]] : [])];
    for (const [fill, text] of chips) {
        create('rect', group, { x: 0, y: rows * ROW, width: CHIP, height: CHIP, fill });
        say(text, CHIP + 6);
        rows += 1;
    }
    return { element: group, width: letters * LETTER, height: rows * ROW };
}
