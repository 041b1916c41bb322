/** Which modules of a recording are open, and which node is selected.  Knows no DOM. */

export class Outline {

    /** @param {{opened: number[]|undefined, selected: number|null}} kept As it was when last seen; nothing is undefined. */
    constructor({ opened, selected }) {
        this._fresh = !opened;
        this.opened = new Set(opened ?? [0]);
        this.selected = selected ?? null;
        this.recording = null;
    }

    /** Take a recording: what is opened and selected is as it was kept, or by path as in the one before. */
    take(recording) {
        const before = this.recording;
        this.recording = recording;
        if (before) {
            const key = ({ path, kind, type, call, name }) => `${kind} ${path} ${call} ${kind === 'module' ? '' : type} ${name}`;
            const places = new Map(recording.nodes.map((node) => [key(node), node.index]));
            const carried = (id) => places.get(key(before.nodes[id])) ?? null;
            this.opened = new Set([...this.opened].map(carried).filter((id) => id !== null && recording.canOpen(id)));
            this.selected = this.selected === null ? null : carried(this.selected);
        } else if (this._fresh) {
            this.opened = new Set(recording.data.opened);
        }
        this.opened.add(0);
        if (!recording.nodes[this.selected]) {
            this.selected = null;
        }
    }

    /** The opened modules that the page draws as frames. */
    get frames() {
        return [...this.opened].filter((id) => id === 0 || this.recording.canOpen(id));
    }

    /** @param {number} id @param {boolean} open */
    turn(id, open) {
        if (open) {
            this.opened.add(id);
        } else {
            this.opened.delete(id);
        }
    }

    /** Open all that hides a node. @param {number} id @returns {boolean} Whether anything was closed. */
    reveal(id) {
        const closed = this.recording.ancestors(id).filter((each) => !this.opened.has(each));
        closed.forEach((each) => this.opened.add(each));
        return closed.length > 0;
    }

    /** The node that is drawn for a node: the one operator of a module is drawn as that module. @param {number} id */
    drawnAs(id) {
        const leaf = this.recording.ancestors(id).find((each) => each > 0 && this.recording.nodes[each].leaf);
        return leaf === undefined ? id : leaf;
    }

    /** A node's id if it is drawn, else null. @param {number|null} id */
    visible(id) {
        if (id === null || !this.recording) {
            return null;
        }
        const drawn = this.recording.tensors === 'none' || !this.recording.nodes[id].marks.includes('uncalled');
        return drawn && this.recording.ancestors(id).every((each) => this.opened.has(each)) ? id : null;
    }

    /** The nodes from the model to the selected one. */
    get line() {
        return this.selected === null ? [0] : [...this.recording.ancestors(this.selected).reverse(), this.selected];
    }
}
