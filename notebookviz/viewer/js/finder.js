/** What stands round the find field: the sentence about a wrong filter, and the list of what can be typed. */

import { button, element } from './dom.js';
import { EXAMPLES } from './filter.js';
import { popover } from './popover.js';

/**
 * @param {() => HTMLElement} holder What the list stands in.
 * @param {(text: string) => void} type Puts a text into the field.
 * @returns {HTMLButtonElement} Opens the list.
 */
export function examplesButton(holder, type) {
    const open = button({ icon: 'help', label: 'What can be found', class: 'tool', press: () => {
        const rows = EXAMPLES.flatMap(([example, meaning]) => [
            element('button', { type: 'button', class: 'example', text: example, on: { click: () => {
                close();
                type(example);
            } } }), element('span', { text: meaning })
        ]);
        const list = element('div', { class: 'popover examples', role: 'dialog', 'aria-label': 'What can be found' },
            element('p', { text: 'Several stand side by side: all must hold. Enter goes to the next, Shift+Enter back.' }), ...rows);
        const close = popover(holder(), open, list);
        list.querySelector('button').focus();
    } });
    open.setAttribute('aria-haspopup', 'dialog');
    return open;
}

/** @returns {{node: HTMLElement, say: (sentence: string) => void}} The sentence below the field. */
export function complaint() {
    const node = element('p', { class: 'popover complaint', role: 'alert', hidden: true });
    return {
        node,
        say(sentence) {
            node.hidden = !sentence;
            node.textContent = sentence;
        }
    };
}
