/** The panel without a widget: in a file, in a saved notebook, or served to a plain browser. */

import { Panel } from './panel.js';
import { Router, Saved } from './transport.js';
import { fromBase64, gunzip } from './bytes.js';

/**
 * @param {HTMLElement} holder
 * @param {object} facts What Python wrote (`viewer/static.py`): `{subject, state, token, modules, tensors, data, height}`.
 * @param {{page: string, style: string, nonce?: string}} texts
 * @returns {Panel}
 */
export function openStatic(holder, facts, { page, style, nonce }) {
    const data = fromBase64(facts.data);
    let panel = null;
    const transport = facts.token ? new Router({
        reach: { addresses: [new URL('socket', location.href).href.replace(/^http/, 'ws')], token: facts.token }, comm: null,
        onevent: (...event) => panel?.event(...event),
        onstate: (state) => {
            if (panel) {
                panel.route = state;
            }
        }
    }) : new Saved(held(facts, data));
    panel = new Panel(holder, {
        subject: facts.subject, data, state: facts.state, page, style, nonce, height: facts.height, transport, values: Object.keys(facts.tensors).length,
        keep: (state) => transport.state === 'socket' && transport.request('state', state).catch(() => null)
    });
    panel.route = transport.state;
    panel.draw(data);
    return panel;
}

/** What is answered without a kernel. */
function held({ subject, modules, tensors }, data) {
    return {
        file: subject.kind === 'file' ? async () => ({ result: { name: subject.name }, buffers: [data] }) : null,
        module: async ({ name }) => {
            const packed = modules[String(name).replace(/\.js$/, '')];
            return packed ? { result: {}, buffers: [new TextEncoder().encode(await gunzip(fromBase64(packed)))] } : null;
        },
        metadata: async ({ name }) => {
            const packed = modules[name];
            return packed ? { result: {}, buffers: [new TextEncoder().encode(await gunzip(fromBase64(packed)))] } : null;
        },
        tensor: async ({ name }) => {
            const found = Object.hasOwn(tensors, name) ? tensors[name] : null;
            return found && { result: found.facts, buffers: [fromBase64(found.data)] };
        }
    };
}
