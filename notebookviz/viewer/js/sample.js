/** One sample with its label: a small picture, or numbers. */

import { element } from './dom.js';
import { line } from './text.js';

/** @param {{picture?: string, text?: string, label: string}} sample @returns {HTMLElement} */
export function sample({ picture, text, label }) {
    return element('li', {}, picture ? element('img', { src: picture, alt: '' }) : element('span', { class: 'numbers', text: line(text, 60) }), element('b', { text: line(label, 48), title: label }));
}
