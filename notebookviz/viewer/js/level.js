/**
 * One level of the nested layout: the boxes inside one frame, the lines between them, the ports on its border.
 */

const PAD = 12;
const TITLE_GAP = 2;
const PORT = 6;
const LOPSIDED = 260;
const LEAST_STOPS = 3;
const STRAIGHT = 4;

/**
 * @param {{layout: Function}} dagre
 * @param {object} problem Boxes, ports and links by index: boxes first, then the ports in, then the ports out.  Links with the
 *     same last number carry the same values from the same place.
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
    const edges = [];
    const join = (v, w, width, height, minlen, weight) => {
        const edge = { v: name(v), w: name(w), width, height, minlen, weight, labeloffset: 10, labelpos: 'r' };
        edges.push(edge);
        return edge;
    };
    const rails = railsOf(problem, last);
    rails.stops.forEach((index) => nodes.push({ v: name(index), width: PORT, height: 1, parent: null }));
    const pieces = new Map(rails.pieces.map(([from, to, link]) => {
        const [, , width, height] = problem.links[link] || [0, 0, 0, 0];
        return [to, join(from, to, width, height, 1, STRAIGHT)];
    }));
    const links = problem.links.map(([v, w, width, height, minlen, weight], index) => {
        const line = rails.lines.get(index);
        return line ? [...line.map((stop) => pieces.get(stop)), join(line[line.length - 1], w, 0, 0, 1, weight)] : [join(v, w, width, height, minlen, weight)];
    });
    hold(problem, nodes, edges, first, last);
    dagre.layout(nodes, edges, { nodesep, ranksep, rankdir: 'TB', ...(ranker && nodes.length > 3000 ? { ranker } : {}) }, {});
    straighten(rails, pieces, nodes, first);
    const places = new Map(nodes.map(({ v, x, y }) => [v, [x, y]]));
    const ports = new Map(nodes.slice(first, last).map((node, index) => [first + index, [node.x, node.y]]));
    return {
        boxes: nodes.slice(0, first).map((node) => [node.x, node.y]),
        ports,
        links: links.map((line, index) => {
            const [, , width] = problem.links[index];
            const named = line.find((edge) => edge.width > 0);
            return {
                points: line.flatMap((edge, at) => [...(at ? [places.get(edge.v)] : []), ...edge.points.slice(1, -1).map(({ x, y }) => [x, y])]),
                label: width > 0 && named ? [named.x, named.y] : null
            };
        })
    };
}

/**
 * What goes from one place to many that follow each other (a mask to all blocks) runs along one rail with a stop above each,
 * not along a line of its own for each.
 * @returns {{stops: number[], pieces: [number, number, number][], lines: Map<number, number[]>}} Nodes to add; from where to where
 *     with the link whose label it bears; the stops of each link.
 */
function railsOf(problem, next) {
    const ranks = ranksOf(problem);
    const groups = new Map();
    problem.links.forEach(([, , , , , , bundle], index) => groups.set(bundle, [...(groups.get(bundle) || []), index]));
    const found = { stops: [], pieces: [], lines: new Map() };
    for (const group of groups.values()) {
        const steps = [...new Set(group.map((index) => ranks.get(problem.links[index][1])))].sort((a, b) => a - b);
        if (steps.length < LEAST_STOPS) {
            continue;
        }
        const label = group.find((index) => problem.links[index][2] > 0);
        let from = problem.links[group[0]][0];
        const line = [];
        steps.slice(1).forEach((step, at) => {
            const stop = next + found.stops.length;
            found.stops.push(stop);
            found.pieces.push([from, stop, at === 0 ? label : -1]);
            line.push(stop);
            group.filter((index) => ranks.get(problem.links[index][1]) === step).forEach((index) => found.lines.set(index, [...line]));
            from = stop;
        });
    }
    return found;
}

/** Puts the stops of a rail one below the other, at the first of their places where no box is in the way. */
function straighten(rails, pieces, nodes, boxes) {
    const longest = new Map();
    for (const line of rails.lines.values()) {
        if (line.length > (longest.get(line[0]) || []).length) {
            longest.set(line[0], line);
        }
    }
    for (const line of longest.values()) {
        const stops = line.map((stop) => nodes[stop]);
        const [top, bottom] = [stops[0].y, stops[stops.length - 1].y];
        const free = (x) => nodes.slice(0, boxes).every((box) => box.y + box.height / 2 < top || box.y - box.height / 2 > bottom || Math.abs(box.x - x) > box.width / 2 + PORT);
        const xs = stops.map(({ x }) => x).sort((a, b) => a - b);
        const x = [xs[0], xs[xs.length - 1]].find(free);
        if (x !== undefined) {
            stops.forEach((stop) => {
                stop.x = x;
            });
            line.slice(1).forEach((stop) => pieces.get(stop).points.forEach((point) => {
                point.x = x;
            }));
        }
    }
}

/** How many links lie at most between a place and what comes first. */
function ranksOf({ links }) {
    const into = new Map();
    links.forEach(([from, to]) => into.set(to, [...(into.get(to) || []), from]));
    const ranks = new Map();
    const rank = (start) => {
        const stack = [start];
        while (stack.length > 0) {
            const index = stack[stack.length - 1];
            const waiting = (into.get(index) || []).filter((from) => !ranks.has(from));
            if (waiting.length > 0) {
                ranks.set(index, 0);
                stack.push(...waiting);
            } else {
                ranks.set(index, Math.max(-1, ...(into.get(index) || []).map((from) => ranks.get(from))) + 1);
                stack.pop();
            }
        }
    };
    links.forEach(([, to]) => rank(to));
    return ranks;
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
