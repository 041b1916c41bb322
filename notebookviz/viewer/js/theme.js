/**
 * Light and dark by message: Netron's style sheets follow the system by a media query, which is pointed elsewhere.
 */

const OPAQUE = /^rgb\(\d+, \d+, \d+\)$/;
const QUERY = /\(prefers-color-scheme:\s*dark\)/;

export class Theme {

    /** @param {Document} document */
    constructor(document) {
        this._root = document.documentElement;
        this._media = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
            .filter((rule) => rule.media && QUERY.test(rule.media.mediaText)).map((rule) => rule.media);
        if (this._media.length < 3) {
            throw new Error('The style sheets of this Netron have no dark colours where notebookviz expects them.');
        }
    }

    /**
     * @param {'light'|'dark'|undefined} name Undefined follows the system.
     * @param {string|undefined} background What the panel stands on, as `rgb(…)`.
     */
    set(name, background) {
        if (name === 'light' || name === 'dark') {
            for (const media of this._media) {
                media.mediaText = name === 'dark' ? 'all' : 'not all';
            }
            this._root.dataset.theme = name;
        }
        if (OPAQUE.test(background)) {
            this._root.style.setProperty('--nbv-background', background);
        } else {
            this._root.style.removeProperty('--nbv-background');
        }
    }
}
