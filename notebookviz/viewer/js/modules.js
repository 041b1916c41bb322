/**
 * Netron's unmodified modules.  The page holds those it always needs (`packer.netron_source`); others are loaded from text:
 * relative import specifiers can't resolve in a page without an address, so at run time each is replaced by the address of
 * the blob that holds the module meant.
 */

const STATIC = /\bfrom\s+'\.\/([\w-]+)\.js'/g;
const DYNAMIC = /\bimport\('\.\/([\w-]+)\.js'\)/g;
const LEFT = /(?:from\s*|import\s*\(?\s*)['"]\.\.?\/[^'"]*['"]/;
const IMPORT = 'notebookvizImport';

export class Modules {

    /**
     * @param {Record<string, object>} bundled The modules that the page holds, by name.
     * @param {(name: string) => Promise<string>} fetchText Gives the text of any other.
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
        return this._bundled[name] ?? import(await this._address(name));
    }

    /** Lets go of the modules that were fetched, with the state they keep of the last file. */
    forget() {
        for (const name of [...this._addresses.keys()]) {
            if (!this._bundled[name]) {
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
        const text = this._bundled[name] ? shared(name, this._bundled[name]) : await this._fetchText(name);
        const names = [...new Set([...text.matchAll(STATIC)].map((match) => match[1]))];
        const addresses = new Map(await Promise.all(names.map(async (item) => [item, await this._address(item)])));
        return URL.createObjectURL(new Blob([rewrite(name, text, addresses)], { type: 'text/javascript' }));
    }
}

/** A module with an address, for one that has none. */
const shared = (name, module) => `export const { ${Object.keys(module).join(', ')} } = globalThis.notebookvizNetron['${name}'];`;

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
