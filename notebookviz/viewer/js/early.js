/** A page that starts unseen before its panel is displayed, and draws as soon as the kernel has looked at the model. */

import { PageLink } from './link.js';
import { theme } from './colours.js';
import { opening } from './opening.js';

const PATIENCE = 60000; // a panel that is displayed elsewhere needs no page here

export class EarlyPage {

    /** @param {string} page The document. @param {object} model The panel's traits. */
    constructor(page, model) {
        this._model = model;
        this._link = new PageLink(page);
        this._link.startUnseen();
        this._late = setTimeout(() => this.close(), PATIENCE);
        this._looked = () => this._open();
        model.on('change:graph', this._looked);
    }

    /** @returns {PageLink|null} The page, for the first who asks. */
    take() {
        clearTimeout(this._late);
        this._model.off('change:graph', this._looked);
        const link = this._link;
        this._link = null;
        return link;
    }

    close() {
        this.take()?.close();
    }

    _open() {
        const { variable } = this._model.get('subject');
        this._link.begin({ ...opening(this._model.get('graph'), this._model.get('state'), variable), theme: theme() });
    }
}
