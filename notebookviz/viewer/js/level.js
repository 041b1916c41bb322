/**
 * One level of the nested layout: the boxes inside one frame, the lines between them, the ports on its border.
 */

const PAD = 12;
const TITLE_GAP = 2;
const PORT = 6;
const LOPSIDED = 260;
const LEAST_STOPS = 3;
const MANY = 8;
const GAP = 9;
const APART = 10;

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
    const rails = railsOf(problem);
    const railed = new Set(rails.flat());
    const edges = problem.links.map(([v, w, width, height, minlen, weight]) => ({
        v: name(v), w: name(w), width, height, minlen, weight, labeloffset: 10, labelpos: 'r'
    }));
    const own = edges.filter((_, index) => !railed.has(index));
    hold(problem, nodes, own, first, last);
    dagre.layout(nodes, own, { nodesep, ranksep, rankdir: 'TB', ...(ranker && nodes.length > 3000 ? { ranker } : {}) }, {});
    const along = new Map([...runFans(problem, nodes, edges, ranksep), ...runRails(problem, rails, nodes, own)]);
    const ports = new Map(nodes.slice(first, last).map((node, index) => [first + index, [node.x, node.y]]));
    return {
        boxes: nodes.slice(0, first).map((node) => [node.x, node.y]),
        ports,
        links: edges.map((edge, index) => ({
            points: along.get(index) || inner(edge),
            label: 'x' in edge && edge.width > 0 ? [edge.x, edge.y] : null
        }))
    };
}

/**
 * What goes from one place to many that follow each other (a mask to all blocks) runs along one rail beside them, not along
 * a line of its own for each.
 * @returns {number[][]} The links of each rail; those to what comes first, or is not reached in another way, are not among them.
 */
function railsOf(problem) {
    const groups = new Map();
    problem.links.forEach(([, , , , , , bundle], index) => groups.set(bundle, [...(groups.get(bundle) || []), index]));
    const ranks = ranksOf(problem);
    const rank = (index) => ranks.get(problem.links[index][1]);
    const found = [];
    for (const group of groups.values()) {
        if (new Set(group.map(rank)).size >= LEAST_STOPS) {
            const nearest = Math.min(...group.map(rank));
            found.push(group.filter((index) => rank(index) > nearest && problem.links[index][2] === 0));
        }
    }
    const railed = new Set(found.flat());
    const next = new Map();
    problem.links.forEach(([from, to], index) => {
        if (!railed.has(index)) {
            next.set(from, [...(next.get(from) || []), to]);
        }
    });
    return found.map((group) => {
        const reached = new Set();
        const waiting = group.length ? [problem.links[group[0]][0]] : [];
        while (waiting.length > 0) {
            for (const to of next.get(waiting.pop()) || []) {
                if (!reached.has(to)) {
                    reached.add(to);
                    waiting.push(to);
                }
            }
        }
        return group.filter((index) => reached.has(problem.links[index][1]));
    });
}

/** The points of each link on a rail: down to the left of all that it passes, then across, above its target. */
function runRails(problem, rails, nodes, edges) {
    const points = new Map();
    let left = 0;
    for (const [number, group] of rails.filter((each) => each.length > 0).entries()) {
        const source = nodes[problem.links[group[0]][0]];
        const start = source.y + beside(nodes, source) + GAP;
        const ends = group.map((index) => nodes[problem.links[index][1]]);
        const bottom = Math.max(...ends.map(({ y }) => y));
        const passed = nodes.filter(({ y, height }) => y + height / 2 > start && y - height / 2 < bottom).map(({ x, width }) => x - width / 2);
        const lines = edges.flatMap((edge) => edge.points.filter(({ y }) => y > start && y < bottom).map(({ x }) => x));
        const x = span([...passed, ...lines, source.x])[0] - PAD - left;
        left += APART;
        group.forEach((index, at) => {
            const { x: middle, y, width } = ends[at];
            const above = y - beside(nodes, ends[at]) - GAP - (number % 3) * 3;
            points.set(index, [[source.x, start], [x, start], [x, above], [Math.max(middle - width / 2 + PORT, middle - (number + 1) * PAD), above]]);
        });
    }
    return points;
}

/**
 * The points of links between one box and many: they go across at one height, just below the one or just above it.  Each straight
 * to its end they would be so flat that they are one dark wedge.
 */
function runFans(problem, nodes, edges, ranksep) {
    const points = new Map();
    const labels = new Map();
    for (const { width, height, y } of edges) {
        if (width > 0) {
            labels.set(Math.round(y), Math.max(height, labels.get(Math.round(y)) || 0));
        }
    }
    const room = (y) => (labels.get(Math.round(y)) || 0) / 2 + ranksep / 4;
    for (const end of [0, 1]) {
        const groups = new Map();
        problem.links.forEach((link, index) => {
            if (edges[index].points) { // not of those on a rail
                groups.set(link[end], [...(groups.get(link[end]) || []), index]);
            }
        });
        for (const [box, group] of groups) {
            for (const index of group.length < MANY ? [] : group) {
                const way = points.get(index) || inner(edges[index]);
                const [x, y] = end === 0 ? way.shift() : way.pop();
                const height = end === 0 ? y - room(y) : y + room(y);
                const across = [[nodes[box].x, height], [x, height]];
                points.set(index, end === 0 ? [...across, ...way] : [...way, ...across.reverse()]);
            }
        }
    }
    return points;
}

/** The points of a link but those where it leaves and enters its boxes. */
const inner = ({ points }) => points.slice(1, -1).map(({ x, y }) => [x, y]);

/** How far from the middle of a box a line passes it and what stands to the left of it. */
function beside(nodes, { x, y, height }) {
    const row = nodes.filter((node) => node.x < x && Math.abs(node.y - y) < (node.height + height) / 2);
    return Math.max(height / 2, ...row.map((node) => Math.abs(node.y - y) + node.height / 2));
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
