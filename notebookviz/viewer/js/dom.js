/** Small helpers for the panel's own elements; all text goes in as text. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @param {string} tag
 * @param {object} [properties] Attributes; `text`, `on` (listeners) and `dataset` are special, null and false are left out.
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (value === null || value === undefined || value === false) {
            continue;
        }
        if (name === 'text') {
            made.textContent = value;
        } else if (name === 'on') {
            for (const [event, listener] of Object.entries(value)) {
                made.addEventListener(event, listener);
            }
        } else {
            made.setAttribute(name, value === true ? '' : String(value));
        }
    }
    made.append(...children.filter((child) => child !== null));
    return made;
}

const ICONS = {
    refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
    save: 'M8 2v8M5 7l3 3 3-3M3 13h10',
    full: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
    shrink: 'M6 3v3H3M13 6h-3V3M10 13v-3h3M3 10h3v3',
    fit: 'M8 2v12M5 5l3-3 3 3M5 11l3 3 3-3',
    plus: 'M8 3v10M3 8h10',
    minus: 'M3 8h10',
    copy: 'M6 6h7v7H6zM3 10V3h7',
    help: 'M6 6a2 2 0 1 1 3 1.7c-.7.5-1 .9-1 1.8M8 12v.1M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z',
    next: 'M4 6l4 4 4-4',
    previous: 'M4 10l4-4 4 4',
    search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM11 11l3 3',
    only: 'M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M5.5 5.5h5v5h-5z',
    back: 'M10 3L5 8l5 5',
    levels: 'M2 3h12M5 8h9M8 13h6',
    modules: 'M2 3h12v10H2zM2 6h12M5 9h6v2H5z',
    close: 'M4 4l8 8M12 4l-8 8',
    graph: 'M6 2h4v4H6zM2 10h4v4H2zM10 10h4v4h-4zM8 6v2M4 10V8h8v2',
    table: 'M2 3h12v10H2zM2 6.5h12M2 10h12M6 3v10',
    tune: 'M2 13l4-5 3 3 5-8M11 3h3v3',
    structure: 'M3 2h6v4H3zM7 10h6v4H7zM5 6v6h2',
    colour: 'M8 2c2.2 2.8 4 5 4 7.3a4 4 0 0 1-8 0C4 7 5.8 4.8 8 2zM8 11a1.7 1.7 0 0 1-1.7-1.7',
    values: 'M2 14h12M4 14V9M7 14V3M10 14V6M13 14v-3',
    onnx: 'M8 2l5 3v6l-5 3-5-3V5zM8 8l5-3M8 8v6M8 8L3 5'
};

/** @param {keyof ICONS} name @returns {SVGElement} A 16 px line drawing that screen readers pass over. */
export function icon(name) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 16 16');
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
}

/**
 * A button with an icon, a text, or both.
 * @param {{icon?: string, text?: string, label?: string, title?: string, class?: string, press: (event: Event) => void}} options
 * @returns {HTMLButtonElement}
 */
export function button(options) {
    const made = element('button', {
        type: 'button',
        class: options.class,
        title: options.title || options.label,
        'aria-label': options.label,
        on: { click: options.press }
    });
    if (options.icon) {
        made.append(icon(options.icon));
    }
    if (options.text) {
        made.append(element('span', { class: 'label', text: options.text }));
    }
    return made;
}
