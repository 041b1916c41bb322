/** The whole screen for the panel; where the browser gives none, the whole window. */

export class Screen {

    /** @param {HTMLElement} host @param {HTMLElement} root @param {(full: boolean) => void} told */
    constructor(host, root, told) {
        this._host = host;
        this._root = root;
        this._told = told;
        this._changed = () => told(this._fills);
        document.addEventListener('fullscreenchange', this._changed);
    }

    async toggle() {
        if (!this.leave()) {
            try {
                await this._host.requestFullscreen();
            } catch {
                this._fix(true);
            }
        }
    }

    /** @returns {boolean} Whether there was something to leave. */
    leave() {
        if (this._root.classList.contains('fixed')) {
            this._fix(false);
            return true;
        }
        if (this._fills) {
            document.exitFullscreen();
            return true;
        }
        return false;
    }

    close() {
        document.removeEventListener('fullscreenchange', this._changed);
    }

    get _fills() {
        return document.fullscreenElement === this._host;
    }

    _fix(fixed) {
        this._root.classList.toggle('fixed', fixed);
        this._told(fixed);
    }
}
