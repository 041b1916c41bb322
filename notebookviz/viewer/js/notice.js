/**
 * One sentence over the drawing, with at most one button.
 */
export class Notice {

    /** @param {Document} document */
    constructor(document) {
        this._element = document.createElement('div');
        this._element.className = 'nbv-notice';
        this._element.setAttribute('role', 'status');
        this._element.hidden = true;
        this._text = document.createElement('p');
        this._button = document.createElement('button');
        this._element.append(this._text, this._button);
        document.body.append(this._element);
    }

    /**
     * @param {string} text
     * @param {string} [action] What the button says; without it there is no button.
     * @returns {Promise<void>} Settles when the button is pressed, never before.
     */
    say(text, action = '') {
        this._text.textContent = text;
        this._button.textContent = action;
        this._button.hidden = !action;
        this._element.hidden = false;
        return new Promise((resolve) => {
            this._button.onclick = () => {
                this.clear();
                resolve();
            };
        });
    }

    clear() {
        this._element.hidden = true;
    }
}
