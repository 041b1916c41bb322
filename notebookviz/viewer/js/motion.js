/**
 * How boxes and lines move to their places when a module was opened or closed.  Only what is seen moves: the rest of a large
 * drawing would cost each frame its time.  Stands in for Netron's own, which moves everything.
 */

const DURATION = 300;

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Box Its middle and its size.
 * @typedef {{boxes: Map<any, Box>, matrix: DOMMatrix}} Stand
 */

/**
 * Where everything stands, before it is drawn anew; Netron moves nothing then.
 * @param {Document} document @param {any} graph @returns {Stand}
 */
export function stand(document, graph) {
    const boxes = new Map();
    for (const [key, { label }] of graph.nodes) {
        if (label.x !== undefined) {
            boxes.set(label.value ?? key, { x: label.x, y: label.y, width: label.width, height: label.height });
            delete label.x; // by which Netron knows what to move
        }
    }
    return { boxes, matrix: document.getElementById('origin').getScreenCTM() };
}

/**
 * Moves what is drawn now from where it stood.
 * @param {Document} document @param {any} graph @param {Stand} before
 */
export function move(document, graph, { boxes, matrix }) {
    const now = document.getElementById('origin').getScreenCTM();
    const [x, y] = [(matrix.e - now.e) / now.a, (matrix.f - now.f) / now.d];
    const seen = viewed(document, now);
    const steps = [];
    const moved = new Map();
    for (const [key, { label }] of graph.nodes) {
        const box = boxes.get(label.value ?? key);
        const from = box && { x: box.x + x, y: box.y + y, width: box.width, height: box.height };
        moved.set(label, from);
        if (seen(label) || from && seen(from)) {
            steps.push(from ? (label.rectangle ? resize : shift)(label, from) : appear(label.element));
        }
    }
    for (const { label: edge } of graph.edges.values()) {
        const ends = [edge.from, edge.to];
        const olds = ends.map((end) => moved.get(end));
        if (seen(span(ends)) || olds.every(Boolean) && seen(span(olds))) {
            const elements = [edge.element, edge.hitTest, edge.labelElement].filter(Boolean);
            steps.push(...(olds.every(Boolean) ? [along(elements, ends, olds)] : elements.map(appear)));
        }
    }
    run(document.defaultView, steps.filter(Boolean));
}

/** @param {((part: number) => void)[]} steps Each takes which part of its way is done. */
function run(window, steps) {
    if (steps.length === 0) {
        return;
    }
    const step = (part) => steps.forEach((each) => each(part));
    let start = null;
    const tick = (now) => {
        start ??= now;
        const time = Math.min((now - start) / DURATION, 1);
        step(1 - (1 - time) ** 3);
        if (time < 1) {
            window.requestAnimationFrame(tick);
        }
    };
    step(0);
    window.requestAnimationFrame(tick);
}

const between = (from, to, part) => from + (to - from) * part;

const still = (x, y) => Math.abs(x) < 0.5 && Math.abs(y) < 0.5;

/** A box keeps its size. */
function shift({ element, x, y, width, height }, from) {
    if (still(from.x - x, from.y - y) && still(from.width - width, from.height - height)) {
        return null;
    }
    const [left, top] = [from.x - from.width / 2, from.y - from.height / 2];
    return (part) => element.setAttribute('transform', `translate(${between(left, x - width / 2, part)},${between(top, y - height / 2, part)})`);
}

/** A frame grows or shrinks. */
function resize({ element, rectangle, x, y, width, height }, from) {
    if (still(from.x - x, from.y - y) && still(from.width - width, from.height - height)) {
        return null;
    }
    return (part) => {
        element.setAttribute('transform', `translate(${between(from.x, x, part)},${between(from.y, y, part)})`);
        for (const [side, length] of [['width', between(from.width, width, part)], ['height', between(from.height, height, part)]]) {
            rectangle.setAttribute(side, length);
            rectangle.setAttribute(side === 'width' ? 'x' : 'y', -length / 2);
        }
    };
}

/** A line comes from where the middle between its ends was. */
function along(elements, ends, olds) {
    const [x, y] = ['x', 'y'].map((axis) => olds.reduce((sum, old, end) => sum + old[axis] - ends[end][axis], 0) / 2);
    if (still(x, y)) {
        return null;
    }
    const places = elements.map((element) => element.getAttribute('transform') ?? '');
    return (part) => elements.forEach((element, index) => {
        const place = part < 1 ? `translate(${x * (1 - part)},${y * (1 - part)}) ${places[index]}` : places[index];
        element.setAttribute('transform', place);
    });
}

function appear(element) {
    return (part) => {
        element.style.opacity = part < 1 ? String(part) : '';
    };
}

/** Tells of a box whether any part of it is in the window. */
function viewed(document, { a, d, e, f }) {
    const area = document.getElementById('target').getBoundingClientRect();
    const [left, top, right, bottom] = [(area.left - e) / a, (area.top - f) / d, (area.right - e) / a, (area.bottom - f) / d];
    return ({ x, y, width, height }) => x + width / 2 > left && x - width / 2 < right && y + height / 2 > top && y - height / 2 < bottom;
}

/** The box round two boxes. @param {Box[]} boxes @returns {Box} */
function span(boxes) {
    const side = (axis, length) => {
        const least = Math.min(...boxes.map((box) => box[axis] - box[length] / 2));
        const most = Math.max(...boxes.map((box) => box[axis] + box[length] / 2));
        return [(least + most) / 2, most - least];
    };
    const [[x, width], [y, height]] = [side('x', 'width'), side('y', 'height')];
    return { x, y, width, height };
}
