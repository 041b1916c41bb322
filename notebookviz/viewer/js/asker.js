/** Asks Python for the panel and for the page, and says so when it takes long. */

const FORWARDED = new Set(['tensor', 'module', 'metadata', 'external']);
const PATIENCE = 3000;

export class Asker {

    /**
     * @param {{request: Function, state: string}} transport
     * @param {import('./status.js').Status} status
     */
    constructor(transport, status) {
        this._transport = transport;
        this._status = status;
        this._late = 0;
    }

    /** @param {string} method @param {object} [params] @returns {Promise<{result: any, buffers: Uint8Array[]}>} */
    async ask(method, params = {}) {
        let late = false;
        const waiting = setTimeout(() => {
            if (this._transport.state === 'comm') {
                late = true;
                this._late += 1;
                this._status.say('route', { text: 'Waiting for the kernel: it answers when the running cell has ended.', tone: 'warning' });
            }
        }, PATIENCE);
        try {
            return await this._transport.request(method, params);
        } finally {
            clearTimeout(waiting);
            if (late && --this._late === 0) {
                this._status.say('route', null);
            }
        }
    }

    /** What the page asks, which may ask for little. @param {{id: number, method: string, params: object}} asked @returns {Promise<object>} */
    async answer({ id, method, params }) {
        const reply = { type: 'reply', id, result: null, error: null, buffers: [] };
        try {
            if (!FORWARDED.has(method)) {
                throw new Error(`The page may not ask for ${method}.`);
            }
            const { result, buffers } = await this.ask(method, params);
            reply.result = result;
            reply.buffers = buffers.map((buffer) => buffer.slice().buffer);
        } catch (error) {
            reply.error = { what: error.what || error.message, hint: error.hint || '' };
        }
        return reply;
    }
}
