/**
 * One level of the nested layout: the boxes inside one frame, the lines between them, the ports on its border.
 */

const PAD = 12;
const TITLE_GAP = 2;
const PORT = 6;
const LOPSIDED = 260;

/**
 * @param {{layout: Function}} dagre
 * @param {object} problem Boxes, ports and links by index: boxes first, then the ports in, then the ports out.
 * @param {object} options Netron's layout options.
 */
export function solve(dagre, problem, options) {
    const drawn = problem.links.length === 0 && problem.boxes.length > 1 ? column(problem) : flow(dagre, problem, options);
    return frame(problem, drawn);
}

/** Boxes that nothing joins stand below each other. */
function column(problem) {
    let y = 0;
    const boxes = problem.boxes.map(([, height]) => {
        y += height + 2 * PAD;
        return [0, y - height / 2];
    });
    return { boxes, ports: new Map(), links: [] };
}

function flow(dagre, problem, { nodesep, ranksep, ranker }) {
    const name = (index) => `${index}`;
    const first = problem.boxes.length;
    const last = first + problem.in + problem.out;
    const nodes = [];
    for (let index = 0; index < last; index++) {
        const [width, height] = problem.boxes[index] || [PORT, 1];
        nodes.push({ v: name(index), width, height, parent: null });
    }
    const edges = problem.links.map(([v, w, width, height, minlen, weight]) => ({
        v: name(v), w: name(w), width, height, minlen, weight, labeloffset: 10, labelpos: 'r'
    }));
    hold(problem, nodes, edges, first, last);
    dagre.layout(nodes, edges, { nodesep, ranksep, rankdir: 'TB', ...(ranker && nodes.length > 3000 ? { ranker } : {}) }, {});
    const ports = new Map(nodes.slice(first, last).map((node, index) => [first + index, [node.x, node.y]]));
    return {
        boxes: nodes.slice(0, first).map((node) => [node.x, node.y]),
        ports,
        links: edges.slice(0, problem.links.length).map((edge) => ({
            points: edge.points.slice(1, -1).map(({ x, y }) => [x, y]),
            label: 'x' in edge && edge.width > 0 ? [edge.x, edge.y] : null
        }))
    };
}

/** Holds ports at the border: above all that has no port above it, below all that has none below. */
function hold(problem, nodes, edges, first, last) {
    const targets = new Set(problem.links.map(([, to]) => to));
    const sources = new Set(problem.links.map(([from]) => from));
    const boxes = problem.boxes.map((_, index) => index);
    const tie = (v, w, weight) => edges.push({ v: `${v}`, w: `${w}`, width: 0, height: 0, minlen: 1, weight, labeloffset: 10, labelpos: 'r' });
    const tops = boxes.filter((index) => !targets.has(index));
    const bottoms = boxes.filter((index) => !sources.has(index));
    if (problem.in > 0 && (problem.in > 1 || tops.length > 0)) {
        nodes.push({ v: 'top', width: 0, height: 0, parent: null });
        for (let index = first; index < first + problem.in; index++) {
            tie('top', index, 100);
        }
        tops.forEach((index) => tie('top', index, 0));
    }
    if (problem.out > 0 && (problem.out > 1 || bottoms.length > 0)) {
        nodes.push({ v: 'bottom', width: 0, height: 0, parent: null });
        for (let index = first + problem.in; index < last; index++) {
            tie(index, 'bottom', 100);
        }
        bottoms.forEach((index) => tie(index, 'bottom', 0));
    }
}

/** Puts the frame round what was drawn, with room for the title to the left of where values come in. */
function frame(problem, drawn) {
    const xs = [];
    const ys = [];
    const cover = (x, y, width, height) => {
        xs.push(x - width / 2, x + width / 2);
        ys.push(y - height / 2, y + height / 2);
    };
    drawn.boxes.forEach(([x, y], index) => cover(x, y, ...problem.boxes[index]));
    drawn.ports.forEach(([x, y]) => cover(x, y, PORT, 1));
    drawn.links.forEach(({ points, label }, index) => {
        points.forEach(([x, y]) => cover(x, y, 0, 0));
        if (label) {
            cover(...label, problem.links[index][2], problem.links[index][3]);
        }
    });
    let [left, right] = span(xs);
    let [top, bottom] = span(ys);
    if (problem.title) {
        const middle = (left + right) / 2;
        const first = problem.boxes.length;
        const entries = [...drawn.ports].filter(([index]) => index < first + problem.in).map(([, [x]]) => x);
        const exits = [...drawn.ports].filter(([index]) => index >= first + problem.in).map(([, [x]]) => x);
        const crossings = [entries, exits, [middle]].find((list) => list.length > 0);
        const [title, band] = problem.sideways ? [problem.title[1], problem.title[0]] : problem.title;
        bottom += PAD;
        if (problem.sideways) {
            top -= PAD;
            bottom = Math.max(bottom, top + lengthOf(title));
            left -= band + PAD / 2;
            right += PAD;
            [left, right] = even(left, right, crossings);
        } else {
            top -= band + (entries.length ? TITLE_GAP : PAD);
            left = Math.min(left - PAD, ...entries.map((x) => x - lengthOf(title)));
            right = Math.max(right + PAD, left + lengthOf(title));
            [left, right] = even(left, right, crossings);
        }
    }
    const move = ([x, y]) => [x - left, y - top];
    return {
        width: right - left,
        height: bottom - top,
        boxes: drawn.boxes.map(move),
        ports: Object.fromEntries([...drawn.ports].map(([index, point]) => [index, move(point)])),
        links: drawn.links.map(({ points, label }) => ({ points: points.map(move), label: label && move(label) }))
    };
}

/** Sides at equal distance from where values cross the border, so that lines run straight on; not where much room is lost. */
function even(left, right, crossings) {
    const axis = mean(crossings);
    const half = Math.max(axis - left, right - axis);
    return 2 * half - (right - left) <= LOPSIDED ? [axis - half, axis + half] : [left, right];
}

/** Room that a title takes along its side of the frame. */
const lengthOf = (title) => title + PAD;

const mean = (list) => list.reduce((sum, item) => sum + item, 0) / list.length;

/** The least and the greatest of a list of any length. */
function span(list) {
    const pick = (choose) => (list.length ? list.reduce((best, item) => choose(best, item)) : 0);
    return [pick(Math.min), pick(Math.max)];
}
