/**
 * Netron's unmodified modules, loaded from text: relative import specifiers can't resolve in a page without an address,
 * so at run time each is replaced by the address of the blob that holds the module meant.
 */

const STATIC = /\bfrom\s+'\.\/([\w-]+)\.js'/g;
const DYNAMIC = /\bimport\('\.\/([\w-]+)\.js'\)/g;
const LEFT = /(?:from\s*|import\s*\(?\s*)['"]\.\.?\/[^'"]*['"]/;
const IMPORT = 'notebookvizImport';

/**
 * @param {string} base64 What `packer.pack_modules` made.
 * @returns {Promise<Map<string, string>>} text by name
 */
export async function unpackModules(base64) {
    const bytes = Uint8Array.from(atob(base64.trim()), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Map(Object.entries(JSON.parse(await new Response(stream).text())));
}

export class Modules {

    /**
     * @param {Map<string, string>} bundled
     * @param {(name: string) => Promise<string>} fetchText Gives the text of a module that is not bundled.
     */
    constructor(bundled, fetchText) {
        this._bundled = bundled;
        this._fetchText = fetchText;
        /** @type {Map<string, Promise<string>>} */
        this._addresses = new Map();
        Object.defineProperty(globalThis, IMPORT, { value: (name) => this.load(name), configurable: true });
    }

    /** @param {string} name Without `.js`. @returns {Promise<any>} the module */
    async load(name) {
        return import(await this._address(name));
    }

    /** @param {string} name @returns {string} Text of a bundled script. */
    text(name) {
        const text = this._bundled.get(name);
        if (text === undefined) {
            throw new Error(`The page holds no script '${name}'.`);
        }
        return text;
    }

    /** Lets go of the modules that were fetched, with the state they keep of the last file. */
    forget() {
        for (const name of [...this._addresses.keys()]) {
            if (!this._bundled.has(name)) {
                this._addresses.delete(name);
            }
        }
    }

    _address(name) {
        let address = this._addresses.get(name);
        if (!address) {
            address = this._create(name);
            this._addresses.set(name, address);
            address.catch(() => this._addresses.delete(name));
        }
        return address;
    }

    async _create(name) {
        const text = this._bundled.get(name) ?? await this._fetchText(name);
        const names = [...new Set([...text.matchAll(STATIC)].map((match) => match[1]))];
        const addresses = new Map(await Promise.all(names.map(async (item) => [item, await this._address(item)])));
        return URL.createObjectURL(new Blob([rewrite(name, text, addresses)], { type: 'text/javascript' }));
    }
}

/**
 * @param {string} name
 * @param {string} text
 * @param {Map<string, string>} addresses
 * @returns {string}
 */
export function rewrite(name, text, addresses) {
    const done = text
        .replace(STATIC, (_, item) => `from '${addresses.get(item)}'`)
        .replace(DYNAMIC, (_, item) => `globalThis.${IMPORT}('${item}')`);
    const left = done.match(LEFT);
    if (left) {
        throw new Error(`Netron's module '${name}' has an import that is not known: ${left[0].slice(0, 80)}`);
    }
    return done;
}
