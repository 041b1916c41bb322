/** The first and the last row of the module table: what the columns are, and their totals. */

import { element } from './dom.js';
import { count, digits, memory } from './format.js';

/**
 * @param {import('./columns.js').Column[]} columns
 * @param {{key: string, down: boolean}|null} sort What the rows are sorted by.
 * @param {(column: object) => void} press One of the columns was pressed.
 * @returns {HTMLElement[]}
 */
export function headCells(columns, sort, press) {
    return columns.map((column) => {
        const sorted = sort?.key === column.key ? sort : null;
        const button = element('button', {
            type: 'button', tabindex: '-1', title: `${column.help}. Click to sort.`, text: column.title,
            on: { click: () => press(column) }
        }, element('span', { class: 'arrow', 'aria-hidden': 'true', text: sorted ? (sorted.down ? '▾' : '▴') : '' }));
        return element('div', {
            role: 'columnheader', class: column.number ? 'cell number' : 'cell',
            'aria-sort': sorted ? (sorted.down ? 'descending' : 'ascending') : 'none'
        }, button);
    });
}

/** @param {import('./columns.js').Column[]} columns @param {import('./recording.js').Recording} recording @returns {HTMLElement[]} */
export function footCells(columns, { totals, nodes }) {
    const modules = new Set(nodes.filter(({ kind }) => kind === 'module').map(({ path }) => path)).size; // however often each is called
    const texts = {
        name: `Total of ${digits(modules)} module${modules === 1 ? '' : 's'}`, params: count(totals.params), trainable: count(totals.trainable),
        share: totals.params ? '100%' : '', macs: totals.macs ? count(totals.macs) : '', output: totals.bytes ? `${memory(totals.bytes)} weights` : ''
    };
    const full = { params: totals.params, trainable: totals.trainable, macs: totals.macs };
    return columns.map((column) => element('div', {
        role: 'gridcell', class: column.number ? 'cell number' : 'cell', text: texts[column.key] ?? '',
        title: column.key === 'output' ? 'Memory of all parameters and buffers' : (full[column.key] === undefined ? null : digits(full[column.key]))
    }));
}
