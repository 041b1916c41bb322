/** Cells for the notebook: inserted below the one in which the panel stands, or shown to be copied. */

import { copyText } from './copy.js';
import { button, element } from './dom.js';

const CELLS = 'application/vnd.jupyter.cells';
const SAID = 4000;

/**
 * Insert code cells below the cell in which an element stands, as if they were dragged there from another notebook:
 * that works in JupyterLab and Notebook 7 without any extension, and one undo takes all of them away.
 * @param {string[]} sources
 * @param {HTMLElement} place
 * @returns {boolean} Whether the notebook took them.
 */
export function insertCells(sources, place) {
    const cell = outward(place, '.jp-Cell');
    const notebook = outward(place, '.jp-Notebook');
    if (!cell || !notebook) {
        return false;
    }
    const cells = sources.map((source) => ({ cell_type: 'code', source, metadata: {}, outputs: [], execution_count: null }));
    const mimeData = { types: () => [CELLS], hasData: (type) => type === CELLS, getData: (type) => (type === CELLS ? cells : undefined) };
    const target = cell.nextElementSibling?.matches('.jp-Cell') ? cell.nextElementSibling : notebook;
    const tell = (type) => {
        const event = new CustomEvent(type, { bubbles: true, cancelable: true });
        Object.assign(event, { mimeData, proposedAction: 'copy', supportedActions: 'copy', dropAction: 'none', source: null });
        target.dispatchEvent(event);
        return event;
    };
    tell('lm-dragover'); // marks the cell before which they go
    return tell('lm-drop').dropAction === 'copy';
}

/**
 * Show cells, with what copies them, and where there is a notebook what inserts them.
 * @param {{cells: string[], notes: string[]}} written
 * @param {HTMLElement} place Where the notebook is looked for.
 * @returns {HTMLElement}
 */
export function cellsList({ cells, notes }, place) {
    const said = element('span', { class: 'said', role: 'status' });
    const say = (text) => {
        said.textContent = text;
        setTimeout(() => (said.textContent = ''), SAID);
    };
    const copy = async (text, what) => say(await copyText(text) ? `Copied ${what}.` : 'The browser did not let it copy; select the text.');
    const insert = () => say(insertCells(cells, place) ? `Inserted ${cells.length} cells below.` : 'The notebook does not take them; copy them.');
    const inserting = button({ icon: 'plus', text: 'Insert below', label: `Insert ${cells.length} cells below`, class: 'tool', press: insert });
    const tools = element('div', { class: 'tools' }, document.querySelector('.jp-Notebook') ? inserting : null,
        button({ icon: 'copy', text: 'Copy all', label: 'Copy all cells', class: 'tool', press: () => copy(script(cells), 'all cells') }), said);
    const listed = cells.map((source, at) => element('section', { class: 'cell', 'aria-label': `Cell ${at + 1} of ${cells.length}` },
        button({ icon: 'copy', label: `Copy cell ${at + 1}`, class: 'tool', press: () => copy(source, `cell ${at + 1}`) }),
        element('pre', { text: source, tabindex: '0' })));
    return element('div', { class: 'cells' }, tools, ...notes.map((text) => element('p', { class: 'note', text })), ...listed);
}

/** One script with the marks at which editors divide it. @param {string[]} cells */
function script(cells) {
    return cells.map((source) => `# %%\n${source}\n`).join('\n');
}

/** The nearest element around one that matches, out of shadow roots too. @param {Element|null} inner @param {string} selector */
function outward(inner, selector) {
    for (let at = inner; at; at = at.getRootNode().host) {
        const found = at.closest(selector);
        if (found) {
            return found;
        }
    }
    return null;
}
