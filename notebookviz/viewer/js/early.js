/** A page that starts unseen before its panel is displayed, while the kernel still looks at the model. */

import { PageLink } from './link.js';

const PATIENCE = 60000; // a panel that is displayed elsewhere needs no page here

export class EarlyPage {

    /** @param {string} page The document. */
    constructor(page) {
        this._link = new PageLink(page);
        this._link.startUnseen();
        this._late = setTimeout(() => this.close(), PATIENCE);
    }

    /** @returns {PageLink|null} The page, for the first who asks. */
    take() {
        clearTimeout(this._late);
        const link = this._link;
        this._link = null;
        return link;
    }

    close() {
        this.take()?.close();
    }
}
