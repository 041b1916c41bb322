/** The panel as a widget in a notebook: its traits are the widget's, its routes the loopback server and the comm. */

import { EarlyPage } from './early.js';
import { Panel } from './panel.js';
import { openStatic } from './static.js';
import { Router, Saved, Shut, addressesOf } from './transport.js';
import { asBytes } from './bytes.js';
import { showCells } from './cells_view.js';

const views = new Map();

function baseUrl() {
    const config = document.getElementById('jupyter-config-data');
    try {
        return config ? JSON.parse(config.textContent).baseUrl ?? null : null;
    } catch {
        return null;
    }
}

/** Where the kernel listens; while it displays a panel for the first time it tells so a moment later. */
async function reach(model) {
    if (model.get('served')?.port === undefined) {
        await new Promise((resolve) => {
            const told = () => {
                model.off('change:served', told);
                resolve();
            };
            model.on('change:served', told);
        });
    }
    const served = model.get('served');
    const { addresses, named } = addressesOf(served, location, baseUrl());
    return { addresses, token: served.token ?? '', origin: named ? location.origin : undefined };
}

/** Tell Python how many views of the panel this page has. */
function count(model, step) {
    const key = model.get('served')?.id;
    const now = (views.get(key) ?? 0) + step;
    views.set(key, now);
    model.send({ id: 'views', method: 'views', params: { count: now } });
}

/** Whether the kernel is there; a widget may also come from what a notebook has kept of it. */
const alive = ({ assets }) => assets.comm_live !== false;

export default {
    alive,

    /** Open a panel without a widget. */
    open: openStatic,

    /** Start the page of a panel that will be displayed in a moment. */
    start({ model, page }) {
        return new EarlyPage(page, model);
    },

    render({ model, el, link, assets, page, style }) {
        const cells = model.get('cells');
        if (cells?.length) {
            return showCells(el, { cells, notes: model.get('notes') }, style);
        }
        if (model.get('subject').kind === 'file' && !alive({ assets })) {
            return undefined; // its bytes are in the output beside it
        }
        const bytes = (name) => {
            const found = model.get(name);
            return found ? asBytes(found) : new Uint8Array();
        };
        const teller = Math.random().toString(36).slice(2);
        let turn = 0;
        let panel = null;
        const shut = Boolean(model.get('status')?.closed);
        const router = shut ? new Shut() : alive({ assets }) ? new Router({
            reach: reach(model),
            comm: (message) => model.send(message),
            onevent: (...event) => panel?.event(...event),
            onstate: (state) => {
                if (panel) {
                    panel.route = state;
                }
            }
        }) : new Saved({});
        panel = new Panel(el, {
            subject: model.get('subject'), data: bytes('graph'), state: { ...model.get('state'), overlays: model.get('overlays') ?? [] }, page, style, link,
            height: model.get('height'), transport: router,
            keep: (state) => {
                model.set('state', state);
                const told = { ...state, teller, turn: ++turn };
                if (router.state === 'connecting') {
                    model.send({ id: 'state', method: 'state', params: told }); // the next cell may ask for it
                } else {
                    router.request('state', told).catch(() => null);
                }
            }
        });
        panel.route = router.state;
        panel.draw(bytes('graph'));
        panel.job = model.get('status')?.job;
        panel.notice(model.get('status')?.notice ?? null);
        const heard = (content, buffers) => router.receive?.(content, (buffers ?? []).map(asBytes));
        const live = () => !alive({ assets }) && router.lose?.();
        model.on('msg:custom', heard);
        assets.on('comm_live_update', live);
        count(model, 1);
        return () => {
            model.off('msg:custom', heard);
            assets.off('comm_live_update', live);
            count(model, -1);
            panel.close();
        };
    }
};
