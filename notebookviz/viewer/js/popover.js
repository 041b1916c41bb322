/** What comes up below a button until it is left. */

import { element } from './dom.js';

/**
 * Put something below a button until it is left, or Escape is pressed.
 * @param {HTMLElement} holder @param {HTMLElement} anchor @param {HTMLElement} node
 * @returns {() => void} Closes it.
 */
export function popover(holder, anchor, node) {
    const outer = holder.getBoundingClientRect();
    const inner = anchor.getBoundingClientRect();
    holder.append(node);
    const left = Math.min(inner.left - outer.left, outer.width - node.offsetWidth - 8);
    node.style.left = `${Math.max(4, left)}px`;
    node.style.top = `${inner.bottom - outer.top + 4}px`;
    const close = () => {
        if (node.isConnected) {
            node.remove();
            anchor.focus();
        }
    };
    node.addEventListener('keydown', (event) => {
        if (event.key === 'Escape') {
            event.stopPropagation();
            close();
        }
    });
    node.addEventListener('focusout', (event) => {
        if (node.isConnected && event.relatedTarget !== null && !node.contains(event.relatedTarget)) {
            node.remove();
        }
    });
    const root = holder.getRootNode();
    const outside = (event) => {
        if (!node.isConnected) {
            root.removeEventListener('pointerdown', outside);
        } else if (!event.composedPath().includes(node)) {
            root.removeEventListener('pointerdown', outside);
            node.remove();
        }
    };
    root.addEventListener('pointerdown', outside);
    return close;
}

/**
 * A menu below a button; the arrow keys go through it.
 * @param {HTMLElement} holder @param {HTMLElement} anchor @param {string} label
 * @param {{label: string, note?: string, press: () => void}[]} choices
 * @param {string} [hint] A sentence below them.
 */
export function openMenu(holder, anchor, label, choices, hint = '') {
    const items = choices.map((choice) => element('button', {
        type: 'button', role: 'menuitem', class: 'item', on: { click: () => {
            close();
            choice.press();
        } }
    }, element('span', { text: choice.label }), choice.note ? element('span', { class: 'note', text: choice.note }) : null));
    const menu = element('div', { class: 'popover menu', role: 'menu', 'aria-label': label }, ...items);
    menu.addEventListener('keydown', (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (step) {
            event.preventDefault();
            const root = menu.getRootNode();
            items[(items.indexOf(root.activeElement) + step + items.length) % items.length].focus();
        }
    });
    const box = hint ? element('div', { class: 'popover' }, menu, element('p', { class: 'hint', text: hint })) : menu;
    const close = popover(holder, anchor, box);
    items[0].focus();
}
