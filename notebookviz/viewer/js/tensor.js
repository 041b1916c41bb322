/**
 * A tensor stored in the model, in the shape that Netron reads: its values are fetched when they are looked at.
 */
import { bytesOf } from './port.js';

const TYPES = new Map([
    ['bool', 'boolean'],
    ['complex32', 'complex<float16>'], ['complex64', 'complex<float32>'], ['complex128', 'complex<float64>']
]);

export class TensorType {

    /** @param {[string, number[], string]} type dtype, dimensions and device */
    constructor([dtype, dims, device]) {
        this.dataType = netronType(dtype);
        this.shape = { dimensions: dims, toString: () => `[${dims.join(',')}]` };
        this.device = device || '';
    }

    toString() {
        return `${this.dataType}${this.shape}`;
    }
}

export class Tensor {

    /**
     * @param {{name: string, kind: string, type: [string, number[], string], trainable: boolean, aliases: string[]}} data
     * @param {(tensor: Tensor) => Promise<{result: any, buffers: ArrayBuffer[]}>} fetch
     */
    constructor(data, fetch) {
        this._fetch = fetch;
        this.name = data.name;
        this.type = new TensorType(data.type);
        this.encoding = '<';
        this.category = data.kind === 'parameter' ? (data.trainable ? 'parameter' : 'parameter, frozen') : data.kind;
        this.aliases = data.aliases || [];
        this.device = data.type[2] || '';
        this.forget();
    }

    /** Drops the values, so that the next look at them fetches those of that moment. */
    forget() {
        this.values = null;
        this.metrics = [];
        this._reading = null;
        this.description = this.device === 'meta' ? 'On the meta device: shape and type only, no values.' : '';
        if (this.aliases.length > 0) {
            this.description = [this.description, `Also registered as ${this.aliases.join(', ')}.`].filter(Boolean).join(' ');
        }
    }

    /** @returns {boolean} Whether the values are here. */
    peek() {
        return this.values !== null;
    }

    /** @returns {Promise<void>} The same promise until the values are forgotten. */
    read() {
        if (!this._reading) {
            const reading = this._read(() => this._reading === reading);
            this._reading = reading;
        }
        return this._reading;
    }

    async _read(current) {
        const { result, buffers } = await this._fetch(this);
        if (!current()) {
            return;
        }
        const { dtype, shape, metrics, description } = result;
        this.type.dataType = netronType(dtype);
        this.type.shape.dimensions.splice(0, Infinity, ...shape);
        this.metrics = (metrics || []).map(([name, value]) => ({ name, value, type: name === 'sparsity' ? 'percentage' : 'attribute' }));
        if (description) {
            this.description = description;
        }
        this.values = buffers.length > 0 ? bytesOf(buffers[0]) : null;
        if (this.values === null) {
            throw new Error(description || 'This tensor has no values that can be shown.');
        }
    }
}

function netronType(dtype) {
    return TYPES.get(dtype) || (dtype.startsWith('float8') ? dtype.replaceAll('_', '') : dtype);
}
