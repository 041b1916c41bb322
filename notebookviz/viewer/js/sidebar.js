/** Netron's sidebar: whether it is open, what it describes, and what the structure view adds to it. */

const OF_SELECTION = ['Node Properties', 'Connection Properties', 'Tensor Properties'];

export class Sidebar {

    /** @param {Document} document */
    constructor(document) {
        this._document = document;
        /** @type {object|null} The tensor that is shown, if any. */
        this.tensor = null;
    }

    /** @returns {boolean} */
    get open() {
        return Number(this._document.getElementById('sidebar').style.opacity) > 0;
    }

    /** @returns {boolean} Whether it is open and describes what is selected. */
    get describes() {
        return this.open && OF_SELECTION.includes(this._document.getElementById('sidebar-title').textContent);
    }

    close() {
        this._document.getElementById('sidebar-closebutton').click();
    }

    /** Puts a section above Netron's own. @param {Element} section */
    insert(section) {
        this._object.insertBefore(section, this._object.querySelector('.sidebar-section'));
    }

    /** Says a sentence at the head of the sidebar of a tensor, if that is what is shown. @param {object} tensor @param {string} sentence */
    remark(tensor, sentence) {
        const sidebar = this._object;
        if (this.tensor !== tensor || !sidebar) {
            return;
        }
        let element = sidebar.querySelector('.nbv-remark');
        if (!element) {
            element = this._document.createElement('p');
            element.className = 'nbv-remark';
            element.setAttribute('role', 'status');
            sidebar.prepend(element);
        }
        element.textContent = sentence;
        element.hidden = !sentence;
    }

    /** Says on the button that the text is in the clipboard. */
    copied() {
        const button = this._document.querySelector('.nbv-copy');
        if (button) {
            button.textContent = 'Copied';
            setTimeout(() => {
                button.textContent = 'Copy';
            }, 1500);
        }
    }

    get _object() {
        return this._document.querySelector('#sidebar-content .sidebar-object');
    }
}
