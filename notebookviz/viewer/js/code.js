/** From a node to code: the expression that gives its module, the line that called it, and how the module is printed. */

import { cut, line } from './text.js';

/**
 * @typedef {object} Code
 * @property {string} expression Python that gives the module, or the module that an operator stands in; may be empty.
 * @property {boolean} own Whether the expression gives the node itself.
 * @property {string} place File, line and function of the call.
 * @property {string} file The whole name of the file.
 * @property {string} code The line.
 * @property {string} repr
 */

/**
 * @param {import('./recording.js').Recording} recording
 * @param {number} index
 * @param {string} variable The name of the model in Python.
 * @returns {Code}
 */
export function codeOf(recording, index, variable) {
    const row = recording.nodes[index];
    const holder = [index, ...recording.ancestors(index)].map((id) => recording.nodes[id]).find(({ kind }) => kind === 'module');
    const known = holder.index === 0 || holder.expression !== '';
    const [file, number, name, code] = row.source ?? ['', 0, '', ''];
    return {
        expression: known ? `${variable || 'model'}${holder.expression}` : '', own: holder.index === index,
        place: file ? `${shortened(file)}, line ${number}${name && name !== '<module>' ? `, in ${line(name, 60)}` : ''}` : '',
        file: file ? `${file}:${number}` : '', code, repr: row.repr
    };
}

/** The end of a file's name: its folder and itself. */
function shortened(file) {
    const parts = file.split(/[\\/]/);
    return line(parts.length > 3 ? `…/${parts.slice(-2).join('/')}` : file, 80);
}

/**
 * The section of Netron's sidebar.
 * @param {Document} document
 * @param {Code} found
 * @param {(text: string) => void} copy
 * @returns {HTMLElement}
 */
export function codeSection(document, found, copy) {
    const made = (tag, name, text = '') => {
        const element = document.createElement(tag);
        element.className = name;
        element.textContent = text;
        return element;
    };
    const section = made('div', 'nbv-code');
    section.append(made('div', 'sidebar-section', 'Code'));
    if (found.expression) {
        const row = made('div', 'nbv-code-row');
        const button = made('button', 'nbv-copy', 'Copy');
        button.type = 'button';
        button.addEventListener('click', () => copy(found.expression));
        row.append(made('code', '', cut(found.expression, 2000)), button);
        section.append(...(found.own ? [row] : [made('div', 'nbv-code-note', 'stands in'), row]));
    }
    if (found.place) {
        const place = made('div', 'nbv-code-note', `called in ${found.place}`);
        place.title = found.file;
        section.append(place);
    }
    if (found.code) {
        section.append(made('pre', '', cut(found.code, 2000)));
    }
    if (found.repr) {
        section.append(made('div', 'nbv-code-note', 'prints as'), made('pre', 'nbv-repr', cut(found.repr, 4000)));
    }
    return section;
}
