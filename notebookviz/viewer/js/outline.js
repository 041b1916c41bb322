/** Which modules of a recording are open, which one fills the canvas, and which node is selected.  Knows no DOM. */

export class Outline {

    /** @param {{opened: number[]|undefined, selected: number|null, inside?: number}} kept As it was when last seen; nothing is undefined. */
    constructor({ opened, selected, inside }) {
        this._fresh = !opened;
        this.opened = new Set(opened ?? [0]);
        this.selected = selected ?? null;
        this.inside = inside ?? 0;
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
            this.inside = carried(this.inside) ?? 0;
        } else if (this._fresh) {
            this.opened = new Set(recording.data.opened);
        }
        this.opened.add(0);
        if (!recording.nodes[this.selected]) {
            this.selected = null;
        }
        if (!recording.canOpen(this.inside)) {
            this.inside = 0;
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

    /** Open all that hides a node, and step out as far as needed. @param {number} id @returns {boolean} Whether anything hid it. */
    reveal(id) {
        const left = this.surround(id);
        const above = this.recording.ancestors(id);
        const closed = above.slice(0, Math.max(0, above.indexOf(this.inside))).filter((each) => !this.opened.has(each));
        closed.forEach((each) => this.opened.add(each));
        return left || closed.length > 0;
    }

    /** Step out until a node is inside. @param {number} id @returns {boolean} Whether a step was needed. */
    surround(id) {
        const before = this.inside;
        while (this.inside > 0 && !this.recording.ancestors(id).includes(this.inside)) {
            this.inside = this.recording.nodes[this.inside].parent;
        }
        return this.inside !== before;
    }

    /** The module call round what fills the canvas; a fold is passed by. */
    get outer() {
        const { kind, parent } = this.recording.nodes[this.recording.nodes[this.inside].parent];
        return kind === 'fold' ? parent : this.recording.nodes[this.inside].parent;
    }

    /** The innermost module call or fold that a node is or lies in, and that may fill the canvas. @param {number|null} id @returns {number|null} */
    enterable(id) {
        const line = id === null ? [] : [id, ...this.recording.ancestors(id)];
        const found = line.slice(0, line.indexOf(this.inside)).find((each) => this.recording.canOpen(each));
        return found ?? null;
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
        const above = this.recording.ancestors(id);
        const depth = above.indexOf(this.inside);
        return drawn && depth >= 0 && above.slice(0, depth).every((each) => this.opened.has(each)) ? id : null;
    }

    /** The closed node that is drawn where a node is hidden; null where it is drawn itself. @param {number} id @returns {number|null} */
    hider(id) {
        const above = this.recording.ancestors(id);
        return above.slice(0, Math.max(0, above.indexOf(this.inside))).reverse().find((each) => !this.opened.has(each)) ?? null;
    }

    /** The nodes from the model to the selected one. */
    get line() {
        const last = this.selected ?? this.inside;
        return [...this.recording.ancestors(last).reverse(), last];
    }
}
