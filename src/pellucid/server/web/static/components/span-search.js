// @ts-check
// Find in spans: which rows hold the words, and which of them comes next.

/** @typedef {import("./columns.js").Tree} Tree */

export class SpanSearch {
  /** @type {Set<number>} */
  #rows = new Set();
  isOn = false;

  /**
   * Begin with spans that the server found by what they hold.
   * @param {string[]} ids
   * @param {Tree} tree
   */
  preset(ids, tree) {
    const rows = ids.flatMap((id) => tree.rowOf.get(id) ?? []);
    this.#rows = new Set(rows.sort((a, b) => a - b));
    this.isOn = this.#rows.size > 0;
  }

  /**
   * Look for words in everything that the columns say of a span.
   * @param {string} words
   * @param {Tree | null} tree
   */
  start(words, tree) {
    const wanted = words.trim().toLowerCase();
    this.isOn = wanted !== "";
    this.#rows = new Set();
    if (!tree || !this.isOn) return;
    const { names, details, models, agents, kinds, statuses } = tree.columns;
    for (let row = 0; row < tree.size; row++) {
      const said = [names[row], details[row], models[row], agents[row], kinds[row], statuses[row]];
      if (said.join("\n").toLowerCase().includes(wanted)) this.#rows.add(row);
    }
  }

  /** @param {number} row */
  matches(row) {
    return this.#rows.has(row);
  }

  /**
   * Find the match to go to from a row.
   * @param {-1 | 0 | 1} step
   * @param {number} from
   * @returns {{ row: number | undefined, label: string }}
   */
  go(step, from) {
    const rows = [...this.#rows];
    if (!rows.length) return { row: undefined, label: this.isOn ? "none" : "" };
    const before = rows.filter((row) => row < from);
    const after = rows.filter((row) => (step ? row > from : row >= from));
    const row = step < 0 ? (before.at(-1) ?? rows.at(-1)) : (after[0] ?? rows[0]);
    const place = rows.indexOf(/** @type {number} */ (row)) + 1;
    return { row, label: `${place} of ${rows.length.toLocaleString("en")}` };
  }
}
