/**
 * How the panel asks Python: over a WebSocket, over the widget's comm, or not at all in a saved page.
 * All speak one protocol (docs/architecture.md) and share one shape: `send(message)`, `onmessage(message, buffers)`.
 */

import { Frames } from './frames.js';

const PATIENCE = 3000;
const SHUT = 4000; // the code with which Python closes the sockets of a closed panel
const RETRIES = [300, 1000, 2000, 4000];

/** An error in words, as Python sends it. */
export class Refused extends Error {

    /** @param {{what: string, hint?: string}} error */
    constructor(error) {
        super([error.what, error.hint].filter(Boolean).join(' '));
        this.what = error.what;
        this.hint = error.hint || '';
    }
}

/**
 * @typedef {object} Options
 * @property {Reach|Promise<Reach>} reach Where the kernel listens, or will soon.
 * @property {((message: object) => void)|null} comm Sends over the comm; null where there is none.
 * @property {(event: string, data: object, buffers: Uint8Array[]) => void} onevent
 * @property {(state: 'connecting'|'socket'|'comm'|'gone'|'closed') => void} onstate
 */

/**
 * @typedef {object} Reach
 * @property {string[]} addresses WebSocket addresses, tried in this order.
 * @property {string} token
 * @property {string} [origin] This page's origin, told over the comm before a proxied address is tried.
 */

/** Chooses the route: each counts only after an echo of the token; requests made meanwhile wait. */
export class Router {

    /** @param {Options} options */
    constructor(options) {
        this._options = options;
        this._number = 0;
        this._told = new Set();
        /** @type {Map<number, {message: object, resolve: Function, reject: Function}>} */
        this._asked = new Map();
        this._send = null;
        /** @type {Set<WebSocket>} */
        this._sockets = new Set();
        this._closed = false;
        this.state = 'connecting';
        this._started = this._start();
    }

    /**
     * @param {string} method
     * @param {object} [params]
     * @returns {Promise<{result: object, buffers: Uint8Array[]}>}
     */
    request(method, params = {}) {
        return new Promise((resolve, reject) => {
            if (this.ended) {
                reject(new Refused(ENDS[this.state]));
                return;
            }
            const id = ++this._number;
            const message = { id, method, params };
            this._asked.set(id, { message, resolve, reject });
            this._send?.(message);
        });
    }

    /** Give what arrived over a route. @param {object} message @param {Uint8Array[]} buffers */
    receive(message, buffers) {
        if (message && message.event === 'closed') {
            this.lose('closed');
        } else if (message && message.event !== undefined) {
            this._tell(message, buffers);
        } else {
            this._settle(message, buffers);
        }
    }

    /** Tell of an event once: each comes over every route that is open, and a route may open between them. */
    _tell(message, buffers) {
        if (!this._told.has(message.number)) {
            this._told.add(message.number);
            this._options.onevent(message.event, message.data, buffers);
        }
    }

    /** @returns {boolean} Whether nobody will answer any more. */
    get ended() {
        return this.state in ENDS;
    }

    /** The kernel is gone, or the panel was closed there: what waits is refused. @param {'gone'|'closed'} end */
    lose(end = 'gone') {
        if (!this._closed && !this.ended) {
            this._become(end, null);
            this._disconnect();
            for (const { reject } of this._asked.values()) {
                reject(new Refused(ENDS[end]));
            }
            this._asked.clear();
        }
    }

    close() {
        this._closed = true;
        this._disconnect();
        this._send = null;
    }

    _disconnect() {
        this._sockets.forEach((socket) => socket.close());
    }

    async _start() {
        const { comm, reach } = this._options;
        const late = setTimeout(() => comm && this._fall(), PATIENCE);
        const { addresses, token, origin } = await reach;
        if (addresses.length && origin && comm) {
            await this._tellOrigin(origin);
        }
        for (const address of addresses) {
            if (this._closed || this.ended) {
                break;
            }
            if (await this._connect(address, token)) {
                break;
            }
        }
        clearTimeout(late);
        this._fall();
    }

    /** Take the comm where no socket has answered yet. */
    _fall() {
        if (this._closed || this.state !== 'connecting') {
            return;
        }
        if (this._options.comm) {
            this._become('comm', this._options.comm);
        } else {
            this.lose();
        }
    }

    _tellOrigin(origin) {
        return new Promise((resolve, reject) => {
            const id = ++this._number;
            const message = { id, method: 'origin', params: { origin } };
            this._asked.set(id, { message, resolve, reject, comm: true });
            this._options.comm(message);
        }).catch(() => null);
    }

    /**
     * A kernel whose own code runs may answer late: its socket counts then, and is waited for where there is no comm.
     * @param {string} address @param {string} token @returns {Promise<boolean>} Whether it echoed the token in time.
     */
    _connect(address, token) {
        return new Promise((resolve) => {
            let socket = null;
            try {
                socket = new WebSocket(address);
            } catch {
                resolve(false);
                return;
            }
            this._sockets.add(socket);
            socket.binaryType = 'arraybuffer';
            const frames = new Frames();
            let proved = false;
            const late = setTimeout(() => this._options.comm && resolve(false), PATIENCE);
            socket.onopen = () => socket.send(JSON.stringify({ id: 0, method: 'hello', params: { token } }));
            socket.onmessage = (event) => {
                const whole = frames.take(event.data);
                if (whole === null || this._closed || this.ended) {
                    return;
                }
                if (proved) {
                    this.receive(whole.message, whole.buffers);
                } else if (whole.message.id === 0) {
                    if (whole.message.result?.token !== token) {
                        socket.close();
                        return;
                    }
                    clearTimeout(late);
                    proved = true;
                    [...this._sockets].filter((other) => other !== socket).forEach((other) => other.close());
                    // What is asked while it closes waits for the next route.
                    this._become('socket', (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message)));
                    resolve(true);
                }
            };
            socket.onclose = ({ code }) => {
                clearTimeout(late);
                this._sockets.delete(socket);
                resolve(false);
                if (code === SHUT) {
                    this.lose('closed');
                } else if (proved) {
                    this._dropped(address, token);
                }
            };
        });
    }

    async _dropped(address, token) {
        if (this._closed || this.ended) {
            return;
        }
        this._become('connecting', null);
        for (const pause of RETRIES) {
            await new Promise((resolve) => setTimeout(resolve, pause));
            if (this._closed || this.state !== 'connecting' || await this._connect(address, token)) {
                return;
            }
        }
        this._fall();
    }

    _become(state, send) {
        this.state = state;
        this._send = send;
        this._options.onstate(state);
        if (send) {
            for (const { message, comm } of this._asked.values()) {
                if (!comm) {
                    send(message);
                }
            }
        }
    }

    _settle(message, buffers) {
        const asked = message && this._asked.get(message.id);
        if (!asked) {
            return;
        }
        this._asked.delete(message.id);
        if (message.error) {
            asked.reject(new Refused(message.error));
        } else {
            asked.resolve({ result: message.result, buffers });
        }
    }
}

const ENDS = {
    gone: { what: 'The kernel that made this panel is gone.', hint: 'Run the cell again to see values.' },
    closed: { what: 'This panel was closed: run the cell again.' }
};

/** A panel that was closed before this page was loaded: refuses everything. */
export class Shut {

    constructor() {
        this.state = 'closed';
    }

    async request() {
        throw new Refused(ENDS.closed);
    }

    close() {}
}

/** A saved page: answers what the file holds. */
export class Saved {

    /** @param {Record<string, () => Promise<{result: object, buffers: Uint8Array[]}>|null>} held Answers by method. */
    constructor(held) {
        this._held = held;
        this.state = 'saved';
    }

    async request(method, params = {}) {
        const found = this._held[method] ? await this._held[method](params) : null;
        if (!found) {
            throw new Refused({ what: method === 'tensor' ? 'Values are not saved in this page.' : 'This saved page does not hold it.' });
        }
        return found;
    }

    close() {
        this._held = {};
    }
}

/**
 * WebSocket addresses for a panel in a notebook.
 * @param {{port: number, token: string, id: string}} served
 * @param {Location|URL} place Where the notebook's own page is.
 * @param {string|null} baseUrl The Jupyter server's, or null where there is none.
 * @returns {{addresses: string[], named: boolean}} `named`: whether the server must be told this page's origin first.
 */
export function addressesOf(served, place, baseUrl) {
    if (!served || !served.port) {
        return { addresses: [], named: false };
    }
    const path = `${served.token}/${served.id}/socket`;
    const local = ['localhost', '127.0.0.1', '[::1]'].includes(place.hostname);
    const found = local ? [`ws://127.0.0.1:${served.port}/${path}`] : [];
    if (baseUrl !== null) {
        const url = new URL(`${baseUrl.replace(/\/?$/, '/')}proxy/${served.port}/${path}`, place.href);
        url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
        found.push(url.href);
    }
    return { addresses: found, named: !local };
}
