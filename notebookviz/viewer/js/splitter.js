/** A line that is dragged, or moved with the arrow keys: between table and graph, and at the lower edge. */

import { element } from './dom.js';

/**
 * @param {object} options
 * @param {'vertical'|'horizontal'} options.orientation Of the line itself.
 * @param {string} options.label
 * @param {number} options.least
 * @param {number} options.most
 * @param {number} options.step For the arrow keys.
 * @param {() => number} options.get
 * @param {(value: number) => void} options.set Called while dragging.
 * @param {(from: number, pixels: number) => number} options.moved The value after a drag of so many pixels.
 * @param {() => void} options.done
 * @returns {HTMLElement}
 */
export function splitter(options) {
    const limit = (value) => Math.min(options.most, Math.max(options.least, value));
    const along = options.orientation === 'vertical' ? 'clientX' : 'clientY';
    const show = () => line.setAttribute('aria-valuenow', String(Math.round(options.get())));
    const put = (value) => {
        options.set(limit(value));
        show();
    };
    const line = element('div', {
        class: `splitter ${options.orientation}`, role: 'separator', tabindex: '0', 'aria-label': options.label,
        'aria-orientation': options.orientation, 'aria-valuemin': options.least, 'aria-valuemax': options.most
    });
    line.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        const [start, from] = [event[along], options.get()];
        line.setPointerCapture(event.pointerId);
        line.classList.add('dragged');
        const move = (now) => put(options.moved(from, now[along] - start));
        const end = () => {
            line.removeEventListener('pointermove', move);
            line.classList.remove('dragged');
            options.done();
        };
        line.addEventListener('pointermove', move);
        line.addEventListener('lostpointercapture', end, { once: true });
    });
    line.addEventListener('keydown', (event) => {
        const [less, more] = options.orientation === 'vertical' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
        const steps = { [less]: -1, [more]: 1 }[event.key];
        if (steps) {
            event.preventDefault();
            put(options.get() + steps * options.step);
            options.done();
        }
    });
    show();
    return line;
}
