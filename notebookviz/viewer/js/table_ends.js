/** The first and the last row of the module table: what the columns are, and their totals. */

import { element } from './dom.js';
import { count, digits, memory } from './format.js';

const TITLES = { name: 'Total, each module once', output: 'Memory of all parameters and buffers' };

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

/** What the last row says of a recording, by column. @param {import('./recording.js').Recording} recording @returns {Record<string, string>} */
export function footTexts({ totals, nodes }) {
    const modules = new Set(nodes.filter(({ kind }) => kind === 'module').map(({ path }) => path)).size; // however often each is called
    return {
        name: `${digits(modules)} module${modules === 1 ? '' : 's'}`, params: count(totals.params), trainable: count(totals.trainable),
        share: totals.params ? '100%' : '', macs: totals.macs ? count(totals.macs) : '', output: totals.bytes ? `${memory(totals.bytes)} weights` : ''
    };
}

/** @param {import('./columns.js').Column[]} columns @param {import('./recording.js').Recording} recording @returns {HTMLElement[]} */
export function footCells(columns, recording) {
    const texts = footTexts(recording);
    const { totals } = recording;
    const full = { params: totals.params, trainable: totals.trainable, macs: totals.macs };
    return columns.map((column) => element('div', {
        role: 'gridcell', class: column.number ? 'cell number' : 'cell', text: texts[column.key] ?? '',
        title: TITLES[column.key] ?? (full[column.key] === undefined ? null : digits(full[column.key]))
    }));
}
