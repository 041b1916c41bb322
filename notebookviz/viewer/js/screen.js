/** The whole screen for the panel; where the browser gives none, the whole window. */

export class Screen {

    /** @param {HTMLElement} host @param {HTMLElement} root @param {(full: boolean) => void} told */
    constructor(host, root, told) {
        this._host = host;
        this._root = root;
        this._told = told;
        this._said = false;
        this._changed = () => this._say(this._fills);
        document.addEventListener('fullscreenchange', this._changed);
    }

    /** Do what the button says, also where the screen was left a moment ago. */
    async toggle() {
        if (this._said) {
            this.leave();
        } else {
            try {
                await this._host.requestFullscreen();
            } catch {
                this._fix(true);
            }
        }
    }

    leave() {
        if (this._root.classList.contains('fixed')) {
            this._fix(false);
        } else if (this._fills) {
            document.exitFullscreen().catch(() => null);
        }
    }

    close() {
        document.removeEventListener('fullscreenchange', this._changed);
    }

    get _fills() {
        return document.fullscreenElement === this._host;
    }

    _fix(fixed) {
        this._root.classList.toggle('fixed', fixed);
        this._say(fixed);
    }

    _say(full) {
        this._said = full;
        this._told(full);
    }
}
