/** The panel in a document of its own: saved in a file, or served to a plain browser. */

import { Panel } from './panel.js';
import { Router, Saved } from './transport.js';
import { fromBase64, gunzip } from './bytes.js';

const text = (id) => document.getElementById(id).textContent;

async function start() {
    const facts = JSON.parse(text('facts'));
    const [page, style] = await Promise.all(['page', 'style'].map((id) => gunzip(fromBase64(text(id)))));
    const data = fromBase64(text('data'));
    const file = facts.subject.kind === 'file';
    let panel = null;
    const transport = facts.token ? new Router({
        addresses: [new URL('socket', location.href).href.replace(/^http/, 'ws')], token: facts.token, comm: null,
        onevent: (...event) => panel?.event(...event),
        onstate: (state) => {
            if (panel) {
                panel.route = state;
            }
        }
    }) : new Saved({
        file: file ? async () => ({ result: { name: facts.subject.name }, buffers: [data] }) : null,
        module: async ({ name }) => {
            const packed = facts.modules[String(name).replace(/\.js$/, '')];
            return packed ? { result: {}, buffers: [new TextEncoder().encode(await gunzip(fromBase64(packed)))] } : null;
        }
    });
    panel = new Panel(document.getElementById('notebookviz'), {
        subject: facts.subject, data, state: facts.state, page, style, height: 0, transport,
        keep: (state) => transport.state === 'socket' && transport.request('state', state).catch(() => null)
    });
    panel.route = transport.state;
    panel.draw(data);
}

document.getElementById('notebookviz').style.cssText = 'height: 100vh; margin: 0;';
start();
