// @ts-check
// Where lines come from: runs that the server tells, or rows of a table, whose columns with
// `data-axis` are axes, `data-v` of their cells the values; `data-goal` (max or min) names the
// axis that tells the better lines.

/** @typedef {import("./parallel-axis.js").Axis} Axis */
/**
 * @typedef {object} Line
 * @property {string} name
 * @property {string} href
 * @property {(number | null)[]} places on each axis, from 0 (below) to 1
 * @property {boolean} matches
 * @property {HTMLElement | null} row
 */

const MOST_MARKS = 12;

/**
 * @param {[id: string, number: number | null, places: (number | null)[], matches: boolean]} told
 * @returns {Line}
 */
export function readRun([id, number, places, matches]) {
  return { name: `#${number ?? id.slice(0, 8)}`, href: `/runs/${id}`, places, matches, row: null };
}

/**
 * @param {HTMLTableElement} table
 * @returns {{ axes: Axis[], lines: Line[], goal: { axis: number, sign: number } }}
 */
export function readTable(table) {
  const rows = /** @type {HTMLElement[]} */ ([...table.querySelectorAll("tbody tr")]);
  const lines = rows.map((row) => {
    const link = row.querySelector("a");
    const name = `#${link?.textContent ?? ""}`;
    return { name, href: link?.href ?? "", places: [], matches: true, row };
  });
  const goal = { axis: 0, sign: 1 };
  /** @type {Axis[]} */
  const axes = [];
  for (const [column, head] of [...table.querySelectorAll("thead th")].entries()) {
    const id = head.getAttribute("data-axis");
    const texts = rows.map((row) => value(row, column));
    const said = [...new Set(texts)].filter(Boolean);
    if (!id || said.length < 2) continue;
    const numbers = said.map(Number).sort((a, b) => a - b);
    const categories = numbers.every(Number.isFinite) ? null : said;
    const [low, high] = categories
      ? [0, said.length - 1]
      : [numbers[0], numbers[numbers.length - 1]];
    const marks = categories || numbers.length > MOST_MARKS ? null : numbers;
    const sign = { max: 1, min: -1 }[head.getAttribute("data-goal") ?? ""];
    if (sign) Object.assign(goal, { axis: axes.length, sign });
    axes.push({ id, field: id, label: id, low, high, is_log: false, marks, categories });
    texts.forEach((text, index) => {
      const at = categories ? categories.indexOf(text) : Number(text);
      /** @type {Line} */ (lines[index]).places.push(text ? (at - low) / (high - low) : null);
    });
  }
  return { axes, lines, goal };
}

/**
 * @param {HTMLElement} row
 * @param {number} column
 */
function value(row, column) {
  const cell = /** @type {HTMLElement | undefined} */ (row.children[column]);
  return (cell?.dataset.v ?? cell?.textContent ?? "").trim();
}
