/**
 * The page in the iframe: gives the panel a port, starts Netron, and does what the panel says.
 */
import { nameControls } from './access.js';
import { createDrawing } from './drawing.js';
import { Host } from './host.js';
import { operatorNames } from './operators.js';
import { Modules } from './modules.js';
import { Notice } from './notice.js';
import { Port, bytesOf, sayHello } from './port.js';
import { Recording } from './recording.js';
import { Graph, structureFormat } from './structure.js';
import { Theme } from './theme.js';
import { shareInput } from './guest.js';

const VIEW_PAUSE = 200;

class Page {

    /** @param {Window} window @param {MessagePort} port */
    constructor(window, port) {
        this._window = window;
        this._document = window.document;
        this._notice = new Notice(window.document);
        this._theme = new Theme(window.document);
        this._port = new Port(port, (message) => this._receive(message));
        this._done = this._start().catch((error) => this.fail(error));
    }

    async _start() {
        const { notebookvizNetron: netron } = globalThis;
        if (!netron) {
            throw new Error("Netron's modules can't be run in this browser.");
        }
        const version = this._document.documentElement.dataset.netron;
        this._base = netron.base;
        this._modules = new Modules(netron, async (name) => {
            const { buffers } = await this._port.request('module', { name });
            return new TextDecoder().decode(bytesOf(buffers[0]));
        });
        this._host = new Host(this._window, this._port, this._modules, this._notice, version);
        const post = (message) => this._port.post(message);
        this._drawing = createDrawing(netron.view, netron.grapher, this._host, post);
        nameControls(this._document);
        shareInput(this._window, post, () => this._drawing);
        await this._drawing.start();
        this._watchView();
    }

    /** Messages are done one after the other, once Netron has started, so that a selection meets the drawing it belongs to. */
    _receive(message) {
        if (message.type === 'theme') {
            this._theme.set(message.theme, message.background);
            return;
        }
        this._done = this._done.then(() => this._drawing && this._do(message)).catch((error) => this.fail(error));
    }

    async _do(message) {
        const drawing = this._drawing;
        switch (message.type) {
            case 'open':
                await this._open(message);
                break;
            case 'opened':
                // Not awaited: while one change is drawn the next may come, and only the last is drawn.
                drawing.update(message.ids, message.anchor, message.root).catch((error) => this.fail(error));
                break;
            case 'select':
                await drawing.settled();
                await drawing.choose(message.id, message);
                break;
            case 'find':
                await drawing.settled();
                drawing.light(message.ids, message.within, message.current);
                break;
            case 'copied':
                drawing.side.copied();
                break;
            case 'overlay':
                await drawing.settled();
                drawing.colour(message.overlay);
                break;
            case 'command':
                this._command(message.name);
                break;
            case 'picture':
                await drawing.settled();
                await this._picture(message);
                break;
            default:
                throw new Error(`The page knows no message of type '${message.type}'.`);
        }
    }

    async _open(message) {
        const { _drawing: drawing, _host: host } = this;
        this._theme.set(message.theme, message.background);
        this._notice.clear();
        const structural = message.kind === 'structure';
        drawing.first(structural ? message : null); // before what stood is taken away, so that nobody takes that for a choice
        drawing.show('welcome spinner');
        if (structural) {
            const recording = await Recording.unpack(bytesOf(message.recording));
            const graph = new Graph(recording, (tensor) => this._tensor(tensor));
            graph.open(message.opened || recording.data.opened, message.root, message.view?.from);
            host.format = structureFormat(graph);
            drawing.configure(message.options);
            drawing.variable = message.variable || '';
            this._document.title = graph.name || 'model';
            await drawing.open(this._context('model.netron', new Uint8Array([1])));
        } else {
            const bytes = bytesOf(message.bytes);
            host.format = null;
            this._modules.forget();
            host.wants(operatorNames(bytes));
            this._document.title = message.name;
            await drawing.open(this._context(message.name, bytes));
        }
    }

    /** What Netron reads a file from; other files come through the port, by name. */
    _context(name, bytes) {
        const { _host: host, _port: port, _base: base } = this;
        return {
            identifier: name,
            name,
            stream: new base.BinaryStream(bytes),
            asset: (file) => host.asset(file),
            require: (id) => host.require(id),
            fetch: async (file) => {
                const { buffers } = await port.request('external', { name: file });
                return new base.BinaryStream(bytesOf(buffers[0]));
            },
            error: () => {}
        };
    }

    async _tensor(tensor) {
        const slow = setTimeout(() => this._drawing.side.remark(tensor, 'Waiting for the kernel; the values come when it answers.'), 700);
        try {
            const answer = await this._port.request('tensor', { name: tensor.name });
            this._drawing.side.remark(tensor, answer.result.description || '');
            return answer;
        } catch (error) {
            tensor.description = error.message;
            this._drawing.side.remark(tensor, error.message);
            throw error;
        } finally {
            clearTimeout(slow);
        }
    }

    /** Answers with the drawing as a picture. */
    async _picture({ id, kind }) {
        try {
            const bytes = new Uint8Array(await (await this._drawing.picture(kind)).arrayBuffer());
            this._port.post({ type: 'picture', id, bytes }, [bytes.buffer]);
        } catch (error) {
            this._port.post({ type: 'picture', id, error: error.message });
        }
    }

    _command(name) {
        const drawing = this._drawing;
        const commands = {
            'fit': () => drawing.fit(),
            'zoom-in': () => drawing.zoomIn(),
            'zoom-out': () => drawing.zoomOut(),
            'zoom-reset': () => drawing.resetZoom(),
            'close-sidebar': () => drawing.side.close(),
            'next-part': () => drawing.turn(1),
            'previous-part': () => drawing.turn(-1),
            'properties': () => drawing.showModelProperties()
        };
        if (drawing.target && commands[name]) {
            commands[name]();
        }
    }

    _watchView() {
        let waiting = null;
        const later = () => {
            waiting ??= setTimeout(() => {
                waiting = null;
                this._drawing.moved();
            }, VIEW_PAUSE);
        };
        this._document.getElementById('target').addEventListener('scroll', later);
    }

    /** One sentence in the page and in the panel; never a blank page. */
    fail(error) {
        const said = error && error.message ? error.message : String(error);
        this._port.post({ type: 'error', what: error.what || said, hint: error.hint || '' });
        if (this._drawing && !this._drawing.target) {
            this._drawing.show('default');
        }
        this._notice.say(said, this._drawing && this._drawing.target ? 'OK' : '');
    }
}

window.addEventListener('unhandledrejection', (event) => event.preventDefault());

new Page(window, sayHello(window, document.documentElement.dataset.nonce));
