// @ts-check
// Who called whom, from a trace's columns: repeated steps become one node, and a node's place
// follows from its depth (right) and its order (down), level with its first child.

/** @typedef {import("./columns.js").Tree} Tree */

/**
 * @typedef {object} GraphNode
 * @property {string} kind
 * @property {string} name
 * @property {number[]} rows the spans that the node stands for, in order
 * @property {number} errors
 * @property {number} ns their durations together
 * @property {boolean} onPath
 * @property {GraphNode | null} parent
 * @property {GraphNode[]} children
 * @property {number} x
 * @property {number} y
 * @property {boolean} rest stands for steps that are not drawn
 */

/**
 * @typedef {object} Handoff from one agent to the next
 * @property {GraphNode} from
 * @property {GraphNode} to
 * @property {number[]} turns which hand-offs these were, from 1
 * @property {number} lane which of the lines beside the agents it takes, from the inmost, 0
 */

export const BOX = { width: 184, height: 40, gapX: 60, gapY: 10 };
export const LANE = 24;
export const PORT = 10;
const MOST_LANES = 6;
const MOST_CHILDREN = 24;
const MOST_NODES = 160;

/**
 * Merge the spans of a trace into nodes.
 * @param {Tree} tree
 */
export function mergeSteps(tree) {
  const { columns } = tree;
  /** @type {GraphNode[]} */
  const nodes = [];
  /** @type {Map<string, GraphNode>} */
  const known = new Map();
  /** @type {(GraphNode | null)[]} */
  const nodeOf = [];
  for (let row = 0; row < tree.size; row++) {
    const up = columns.parents[row];
    const parent = up < 0 ? null : nodeOf[up];
    const key = `${parent ? nodes.indexOf(parent) : ""}\n${columns.kinds[row]}\n${columns.names[row]}`;
    let node = known.get(key);
    if (!node && (up < 0 || parent)) {
      node = makeNode(columns.kinds[row], columns.names[row], parent);
      const siblings = parent ? parent.children : [];
      if (siblings.length >= MOST_CHILDREN || nodes.length >= MOST_NODES) {
        node = restOf(parent, nodes, known);
      } else {
        nodes.push(node);
        parent?.children.push(node);
        known.set(key, node);
      }
    }
    nodeOf.push(node && !node.rest ? node : null);
    if (!node) continue;
    node.rows.push(row);
    node.ns += columns.durations[row];
    if (columns.statuses[row] === "error") node.errors++;
    node.onPath = node.onPath || tree.path.has(row);
  }
  return nodes;
}

/**
 * @param {string} kind
 * @param {string} name
 * @param {GraphNode | null} parent
 * @returns {GraphNode}
 */
function makeNode(kind, name, parent) {
  return {
    kind,
    name,
    rows: [],
    errors: 0,
    ns: 0,
    onPath: false,
    parent,
    children: [],
    x: 0,
    y: 0,
    rest: false,
  };
}

/**
 * The one node that stands for a parent's steps beyond the limit.
 * @param {GraphNode | null} parent
 * @param {GraphNode[]} nodes
 * @param {Map<string, GraphNode>} known
 */
function restOf(parent, nodes, known) {
  const key = `${parent ? nodes.indexOf(parent) : ""}\nrest`;
  const made = known.get(key);
  if (made) return made;
  const node = { ...makeNode("UNKNOWN", "more steps", parent), rest: true };
  known.set(key, node);
  nodes.push(node);
  parent?.children.push(node);
  return node;
}

/**
 * Give every node its place, and return the size of the drawing.
 * @param {GraphNode[]} nodes parents before children
 * @param {number[]} lanes by depth: how many hand-offs need room left of the nodes there
 */
export function place(nodes, lanes = []) {
  let bottom = 0;
  let right = 0;
  /** @param {number} depth @returns {number} */
  const left = (depth) =>
    depth ? left(depth - 1) + BOX.width + BOX.gapX + (lanes[depth] ?? 0) * LANE : 0;
  /**
   * @param {GraphNode} node
   * @param {number} depth
   */
  const put = (node, depth) => {
    node.x = left(depth);
    right = Math.max(right, node.x + BOX.width);
    if (!node.children.length) {
      node.y = bottom;
      bottom += BOX.height + BOX.gapY;
      return;
    }
    for (const child of node.children) put(child, depth + 1);
    if (node.children.length > 1) bottom += BOX.gapY;
    node.y = node.children[0].y;
  };
  for (const node of nodes) if (!node.parent) put(node, 0);
  return { width: right, height: bottom };
}

/**
 * Find the hand-offs: turns of different agents below one parent, in the order of time.
 * @param {Tree} tree
 * @param {GraphNode[]} nodes
 * @returns {Handoff[]}
 */
export function findHandoffs(tree, nodes) {
  /** @type {Handoff[]} */
  const found = [];
  for (const parent of nodes) {
    const turns = parent.children
      .filter((node) => node.kind === "AGENT")
      .flatMap((node) => node.rows.map((row) => ({ node, row })))
      .sort((a, b) => tree.columns.starts[a.row] - tree.columns.starts[b.row]);
    let turn = 0;
    for (let at = 1; at < turns.length; at++) {
      const [from, to] = [turns[at - 1].node, turns[at].node];
      const overlaps = tree.endOf(turns[at - 1].row) > tree.columns.starts[turns[at].row] + 1e6;
      if (from === to || overlaps) continue;
      turn++;
      const known = found.find((one) => one.from === from && one.to === to);
      if (known) known.turns.push(turn);
      else found.push({ from, to, turns: [turn], lane: 0 });
    }
  }
  return found;
}

/**
 * Give each hand-off a line of its own where it would run beside another, short ones next to the
 * agents, and return how many lines there are at each depth.
 * @param {Handoff[]} handoffs between nodes that have their heights
 */
export function assignLanes(handoffs) {
  /** @type {number[]} */
  const lanes = [];
  /** @type {Handoff[]} */
  const placed = [];
  const length = (/** @type {Handoff} */ one) => Math.abs(one.to.y - one.from.y);
  for (const one of [...handoffs].sort((a, b) => length(a) - length(b))) {
    const depth = depthOf(one.from);
    const taken = placed.filter((other) => depthOf(other.from) === depth && meet(one, other));
    while (one.lane < MOST_LANES - 1 && taken.some(({ lane }) => lane === one.lane)) one.lane++;
    placed.push(one);
    lanes[depth] = Math.max(lanes[depth] ?? 0, one.lane + 1);
  }
  return lanes;
}

/** @param {GraphNode} node @returns {number} */
function depthOf(node) {
  return node.parent ? depthOf(node.parent) + 1 : 0;
}

/**
 * @param {Handoff} a
 * @param {Handoff} b
 */
function meet(a, b) {
  const [top, bottom] = extent(a);
  const [first, last] = extent(b);
  return top < last && first < bottom;
}

/**
 * From where to where a hand-off's line runs: it leaves below an agent's middle, enters above it.
 * @param {Handoff} handoff
 */
function extent({ from, to }) {
  const [y0, y1] = [from.y + PORT, to.y - PORT];
  return y0 < y1 ? [y0, y1] : [y1, y0];
}
