/** WebSocket frames (see `serving/protocol.py`): text is JSON, binary pieces are joined to one message with buffers. */

export class Frames {

    constructor() {
        /** @type {Map<number, {pieces: Uint8Array[], left: number}>} */
        this._waiting = new Map();
    }

    /**
     * @param {string|ArrayBuffer} data What the socket gave.
     * @returns {{message: object, buffers: Uint8Array[]}|null} A whole message, or null while pieces are missing.
     */
    take(data) {
        if (typeof data === 'string') {
            return { message: JSON.parse(data), buffers: [] };
        }
        const head = new DataView(data, 0, 12);
        const [number, index, pieces] = [0, 4, 8].map((offset) => head.getUint32(offset, true));
        const entry = this._waiting.get(number) || { pieces: new Array(pieces), left: pieces };
        this._waiting.set(number, entry);
        entry.pieces[index] = new Uint8Array(data, 12);
        entry.left--;
        if (entry.left > 0) {
            return null;
        }
        this._waiting.delete(number);
        return unpack(entry.pieces);
    }
}

function unpack(pieces) {
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
        whole.set(piece, offset);
        offset += piece.length;
    }
    const length = new DataView(whole.buffer).getUint32(0, true);
    const message = JSON.parse(new TextDecoder().decode(whole.subarray(4, 4 + length)));
    let start = 4 + length;
    const buffers = message.buffers.map((size) => {
        const buffer = whole.slice(start, start + size);
        start += size;
        return buffer;
    });
    return { message, buffers };
}
