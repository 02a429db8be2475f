// @ts-check
// An axis of parallel coordinates: its marks, and what a stretch of it means as a query.

/**
 * @typedef {object} Axis
 * @property {string} id
 * @property {string} field as a query writes it
 * @property {string} label
 * @property {number | null} low
 * @property {number | null} high
 * @property {boolean} is_log
 * @property {number[] | null} marks the numbers themselves, where they are few
 * @property {string[] | null} categories from below to above
 */

const TERM = /(?:"(?:[^"\\]|\\.)*"|\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\)|[^\s"()])+/g;
const MOST_MARKS = 7;

/** Room above and below on an axis of few values, where lines fan out. */
const INSET = 0.09;

/** @param {Axis} axis */
export function isDiscrete(axis) {
  return Boolean(axis.categories ?? axis.marks);
}

/**
 * Where a place of an axis stands in its box, both from 0 (below) to 1.
 * @param {Axis} axis
 * @param {number} place
 */
export function toBox(axis, place) {
  return isDiscrete(axis) ? INSET + place * (1 - 2 * INSET) : place;
}

/**
 * Which place of an axis a pointer is at; beyond 0 and 1 in the room around the outer values.
 * @param {Axis} axis
 * @param {HTMLElement} node
 * @param {number} y
 */
export function placeOf(axis, node, y) {
  const box = node.getBoundingClientRect();
  const at = Math.min(1, Math.max(0, (box.bottom - y) / box.height));
  return isDiscrete(axis) ? (at - INSET) / (1 - 2 * INSET) : at;
}

/**
 * How far lines fan out around a value of an axis, so that those of one value can be told apart.
 * @param {Axis} axis
 */
export function fanOf(axis) {
  const count = axis.categories?.length ?? axis.marks?.length ?? 0;
  return count ? Math.min(INSET * 1.7, 0.5 / Math.max(count - 1, 1)) : 0;
}

/**
 * @param {Axis} axis
 * @returns {{ at: number, text: string }[]}
 */
export function ticksOf(axis) {
  if (axis.categories) {
    const { categories } = axis;
    const every = Math.ceil(categories.length / MOST_MARKS);
    return categories
      .map((text, index) => ({ at: index / (categories.length - 1), text }))
      .filter((_, index) => index % every === 0 || index === categories.length - 1);
  }
  if (axis.marks) {
    const every = Math.ceil(axis.marks.length / MOST_MARKS);
    return axis.marks
      .filter((_, index) => index % every === 0)
      .map((value) => ({ at: whereIs(axis, value), text: write(value, 3) }));
  }
  return [0, 0.5, 1].map((at) => ({ at, text: write(valueAt(axis, at), 3) }));
}

/**
 * The number at a place of an axis.
 * @param {Axis} axis
 * @param {number} at
 */
export function valueAt(axis, at) {
  const [low, high] = [axis.low ?? 0, axis.high ?? 1];
  if (!axis.is_log) return low + at * (high - low);
  return Math.exp(Math.log(low) + at * (Math.log(high) - Math.log(low)));
}

/**
 * @param {Axis} axis
 * @param {number} value
 */
function whereIs(axis, value) {
  const [low, high] = [axis.low ?? 0, axis.high ?? 1];
  if (!axis.is_log) return (value - low) / (high - low);
  return (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low));
}

/**
 * The terms that ask for what lies between two places.
 * @param {Axis} axis
 * @param {number} low
 * @param {number} high
 */
export function brushTerms(axis, low, high) {
  if (axis.categories) {
    const { categories } = axis;
    const chosen = categories.filter((_, index) => {
      const at = index / (categories.length - 1);
      return at >= low && at <= high;
    });
    if (!chosen.length || chosen.length === categories.length) return [];
    const quoted = chosen.map((text) => `"${text.replace(/["\\]/g, "\\$&")}"`);
    return [`${axis.field}=${quoted.length > 1 ? `(${quoted.join(",")})` : quoted[0]}`];
  }
  const terms = [];
  if (low > 0.005) terms.push(`${axis.field}>=${write(valueAt(axis, low), 4)}`);
  if (high < 0.995) terms.push(`${axis.field}<=${write(valueAt(axis, high), 4)}`);
  return terms;
}

/**
 * The query with these terms in the place of all on a field.
 * @param {string} query
 * @param {string} field
 * @param {string[]} terms
 */
export function replaceField(query, field, terms) {
  const signs = [":", "=", "<", ">"].map((sign) => field + sign);
  const held = (query.match(TERM) ?? []).filter(
    (term) => !signs.some((begin) => term.startsWith(begin)),
  );
  const whole = held.includes("OR") ? [`(${held.join(" ")})`] : held;
  return [...whole, ...terms].join(" ");
}

/**
 * @param {number} value
 * @param {number} digits
 */
function write(value, digits) {
  return String(Number(value.toPrecision(digits)));
}
