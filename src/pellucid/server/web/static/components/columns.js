// @ts-check
// A trace in columns, as `/api/v1/traces/{id}/waterfall` gives it, and what follows from them.

/**
 * @typedef {object} Columns One row a span, parents before children.
 * @property {string} trace_id
 * @property {number} start_ns of the trace, since the Unix epoch; rounded by JavaScript
 * @property {number} duration_ns
 * @property {string[]} span_ids
 * @property {number[]} parents row of the parent, or -1
 * @property {number[]} depths
 * @property {string[]} names
 * @property {string[]} kinds
 * @property {string[]} statuses
 * @property {number[]} starts nanoseconds after the trace's start
 * @property {number[]} durations
 * @property {(string | null)[]} models
 * @property {(string | null)[]} agents
 * @property {number[]} tokens_in
 * @property {number[]} tokens_out
 * @property {(number | null)[]} costs
 * @property {(number | null)[]} ttfts
 * @property {string[]} details
 */

/** @type {Map<string, Promise<Columns>>} */
const loading = new Map();

/**
 * Fetch a trace's columns; waterfall and graph share one answer.
 * @param {string} src
 * @param {{ fresh?: boolean }} [options] `fresh` asks the server again
 * @returns {Promise<Columns>}
 */
export function loadColumns(src, { fresh = false } = {}) {
  const known = loading.get(src);
  if (known && !fresh) return known;
  const answer = fetch(src, { headers: { Accept: "application/json" } }).then(async (response) => {
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return /** @type {Promise<Columns>} */ (response.json());
  });
  loading.set(src, answer);
  answer.catch(() => loading.delete(src));
  return answer;
}

const QUIET_MS = 20_000;

/**
 * Tell whether more of a trace may come: a span is running, or the last one ended just now.
 * @param {Columns} columns
 */
export function mayGrow(columns) {
  const endMs = (columns.start_ns + columns.duration_ns) / 1e6;
  return columns.statuses.includes("running") || Math.abs(Date.now() - endMs) < QUIET_MS;
}

/**
 * Tell whether anything but the passing of time is new.
 * @param {Columns} before
 * @param {Columns} after
 */
export function hasChanged(before, after) {
  return (
    before.span_ids.length !== after.span_ids.length ||
    before.statuses.some((status, row) => status !== after.statuses[row])
  );
}

let versions = 0;

export class Tree {
  /** @param {Columns} columns */
  constructor(columns) {
    this.version = ++versions;
    this.columns = columns;
    this.size = columns.span_ids.length;
    /** Row after the last descendant of each row. */
    this.ends = new Int32Array(this.size);
    /** @type {Map<string, number>} */
    this.rowOf = new Map();
    /** 1 where the row is its parent's last child. */
    this.isLast = new Uint8Array(this.size);
    /** @type {number[]} */
    this.errors = [];
    this.#index();
    const path = criticalPath(this);
    this.path = path.rows;
    this.pathNs = path.leafNs;
  }

  #index() {
    const { parents, span_ids, statuses } = this.columns;
    /** @type {Map<number, number>} */
    const last = new Map();
    for (let row = 0; row < this.size; row++) {
      this.rowOf.set(span_ids[row], row);
      last.set(parents[row], row);
      if (statuses[row] === "error") this.errors.push(row);
      this.ends[row] = row + 1;
    }
    for (let row = this.size - 1; row >= 0; row--) {
      const parent = parents[row];
      if (parent >= 0 && this.ends[row] > this.ends[parent]) this.ends[parent] = this.ends[row];
    }
    for (const row of last.values()) this.isLast[row] = 1;
  }

  /** @param {number} row */
  hasChildren(row) {
    return this.ends[row] > row + 1;
  }

  /**
   * The direct children of a row, or the roots of -1, in order.
   * @param {number} row
   */
  children(row) {
    /** @type {number[]} */
    const found = [];
    const end = row < 0 ? this.size : this.ends[row];
    for (let child = row + 1; child < end; child = this.ends[child]) found.push(child);
    return found;
  }

  /**
   * The ids of the spans with children, from a depth on.
   * @param {number} depth
   */
  branches(depth) {
    const { depths, span_ids } = this.columns;
    return new Set(span_ids.filter((_, row) => depths[row] >= depth && this.hasChildren(row)));
  }

  /** @param {number} row */
  endOf(row) {
    return this.columns.starts[row] + this.columns.durations[row];
  }
}

/**
 * Find the spans that decided the duration: from the end backwards, always the child that ended
 * last before the moment reached.
 * @param {Tree} tree
 * @returns {{ rows: Set<number>, leafNs: number }} `leafNs`: time that leaves on the path took
 */
function criticalPath(tree) {
  const rows = new Set();
  let leafNs = 0;
  const roots = tree.children(-1).sort((a, b) => tree.endOf(b) - tree.endOf(a));
  if (!roots.length) return { rows, leafNs };
  /** @type {[row: number, until: number][]} */
  const todo = [[roots[0], tree.endOf(roots[0])]];
  for (let next = todo.pop(); next; next = todo.pop()) {
    const [row, until] = next;
    rows.add(row);
    const start = tree.columns.starts[row];
    const end = Math.min(tree.endOf(row), until);
    if (!tree.hasChildren(row)) {
      leafNs += Math.max(end - start, 0);
      continue;
    }
    let moment = end;
    for (const child of tree.children(row).sort((a, b) => tree.endOf(b) - tree.endOf(a))) {
      const began = tree.columns.starts[child];
      const isLast = moment === end;
      if (began >= moment || (tree.endOf(child) > moment && !isLast)) continue;
      todo.push([child, moment]);
      moment = Math.max(began, start);
    }
  }
  return { rows, leafNs };
}
