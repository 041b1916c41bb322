/** What the status line says of a recording, and what a typed input size means. */

import { seconds } from './format.js';

/** @param {import('./recording.js').Recording} recording @returns {string} */
export function traced({ data }) {
    const pass = data.tensors === 'none' ? 'No forward pass could be traced.' : `Traced in ${seconds(data.seconds)}${data.tensors === 'real' ? ' with real tensors' : ''}.`;
    return [pass, ...(data.notes || [])].join(' ');
}

/** @param {number} boxes That are drawn. @param {number} total @returns {string} Empty when all are drawn. */
export function cut(boxes, total) {
    const [drawn, all] = [boxes, total].map((each) => Number(each).toLocaleString('en'));
    return total > boxes ? `Only the first ${drawn} of ${all} nodes are drawn: close modules, or show a part of the model. ` : '';
}

/** @param {import('./recording.js').Recording} recording @returns {string} */
export function failed({ nodes, failure }) {
    const { node, kind, message, source, hint } = failure;
    const where = nodes[node]?.path ? ` in ${nodes[node].path}` : '';
    const line = source ? ` (${source[0].split(/[\\/]/).pop()}, line ${source[1]})` : '';
    return [`The forward pass failed${where}: ${kind ? `${kind}: ` : ''}${message}${line}`, hint].filter(Boolean).join(' ');
}

/** @param {string} text As typed: `1×3×224×224`, or several. @returns {number[]|number[][]|null} Null where it is none. */
export function inputSize(text) {
    const sizes = text.split(/[;,](?=\s*\d+\s*[x×*])/).map((part) => (part.match(/\d+/g) || []).map(Number));
    if (!sizes.length || sizes.some((size) => !size.length) || /[^\d\s,;x×*()[\]]/.test(text)) {
        return null;
    }
    return sizes.length === 1 ? sizes[0] : sizes;
}
