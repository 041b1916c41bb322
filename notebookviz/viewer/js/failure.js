/** A failed forward pass in a few lines: where, what PyTorch said, the user's line, the shapes that met, what to try. */

/** @typedef {{name: string, text: string, code?: boolean}} Line */

/**
 * @param {import('./recording.js').Recording} recording That has a failure.
 * @returns {{text: string, lines: Line[]}} As one text, and line by line.
 */
export function failed({ nodes, failure }) {
    const { node, kind, message, source, hint } = failure;
    const { path, type } = nodes[node] ?? {};
    const operator = nodes[node]?.kind === 'operator' ? type : '';
    const where = path ? ` in ${path}${operator ? `, at ${operator}` : ''}` : operator ? ` at ${operator}` : '';
    const lines = [{ name: `The forward pass failed${where}:`, text: `${kind ? `${kind}: ` : ''}${message}` }];
    if (source) {
        lines.push({ name: `${source[0].split(/[\\/]/).pop()}, line ${source[1]}:`, text: source[3] ?? '', code: true });
    }
    const met = failure.shapes?.length ? failure.shapes : failure.received ?? [];
    if (met.length) {
        lines.push({ name: 'Shapes that met:', text: met.map(([name, shapes]) => `${name} ${shapes}`).join(', ') });
    }
    if (hint) {
        lines.push({ name: 'Try:', text: hint });
    }
    return { lines, text: lines.map(({ name, text }) => `${name} ${text}`.trim()).join(' ') };
}
