/**
 * The sizes of texts.  All that are new are measured together, apart from the drawing, and each only once: to measure one in
 * its place the browser would have to lay out everything that is drawn.
 */

const SVG = 'http://www.w3.org/2000/svg';
const MOST = 20000;
const UNSEEN = 'position: absolute; visibility: hidden; width: 0; height: 0';

export class Texts {

    constructor() {
        /** @type {Map<string, DOMRect>} */
        this._sizes = new Map();
        /** @type {Map<string, SVGTextElement>} */
        this._waiting = new Map();
    }

    /** From now on a text knows its size without standing in the document. @param {SVGTextElement} text */
    take(text) {
        const key = keyOf(text);
        if (!this._sizes.has(key)) {
            this._waiting.set(key, text);
        }
        text.getBBox = () => this._size(key, text);
    }

    _size(key, text) {
        if (!this._sizes.has(key)) {
            this._measure(text.ownerDocument, this._waiting.set(key, text));
            this._waiting = new Map();
        }
        return this._sizes.get(key) ?? new DOMRect(); // in a page that is not rendered no text has a size
    }

    _measure(document, texts) {
        if (this._sizes.size > MOST) {
            this._sizes.clear();
        }
        const canvas = document.createElementNS(SVG, 'svg');
        canvas.setAttribute('style', UNSEEN);
        const copies = [...texts].map(([key, text]) => {
            const copy = text.cloneNode(true);
            const place = ancestors(text).reduceRight((parent, { classList }) => {
                const group = document.createElementNS(SVG, 'g');
                group.setAttribute('class', classList.value);
                return parent.appendChild(group);
            }, canvas);
            place.append(copy);
            return [key, copy];
        });
        document.body.append(canvas);
        for (const [key, copy] of copies) {
            const size = copy.getBBox();
            if (size.width > 0) {
                this._sizes.set(key, size);
            }
        }
        canvas.remove();
    }
}

/**
 * Settles once texts have sizes: in a page that is not rendered, as in a notebook's tab that is not seen, none has.
 * @param {Document} document
 */
export async function rendered(document) {
    const canvas = document.createElementNS(SVG, 'svg');
    canvas.setAttribute('style', UNSEEN);
    const text = canvas.appendChild(document.createElementNS(SVG, 'text'));
    text.textContent = 'x';
    document.body.append(canvas);
    while (text.getBBox().width === 0) {
        await new Promise((resolve) => {
            document.defaultView.requestAnimationFrame(resolve);
        });
    }
    canvas.remove();
}

/** What the size of a text depends on: its words, and the classes by which it is styled. */
function keyOf(text) {
    const words = [...text.childNodes].filter((node) => node.nodeName !== 'title').map((node) => [node.getAttribute?.('class'), node.getAttribute?.('style'), node.textContent].join('\n'));
    return [...words, text.classList.value, ...ancestors(text).map(({ classList }) => classList.value)].join('\n\n');
}

/** The elements round a text, from the innermost. */
function ancestors(text) {
    const found = [];
    for (let element = text.parentNode; element instanceof SVGElement; element = element.parentNode) {
        found.push(element);
    }
    return found;
}
