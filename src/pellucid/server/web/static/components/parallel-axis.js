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

/** @typedef {[number, number]} Brush two places of an axis, the lower first */

const TERM = /(?:"(?:[^"\\]|\\.)*"|\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\)|[^\s"()])+/g;
/** How far two marks stand apart at least. */
const ROOM = 0.12;

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
 * The marks of an axis that have room: the outer ones first.
 * @param {Axis} axis
 * @returns {{ at: number, text: string }[]}
 */
export function ticksOf(axis) {
  const all = axis.categories
    ? axis.categories.map((text, at, { length }) => ({ at: at / (length - 1), text }))
    : axis.marks
      ? axis.marks.map((value) => ({ at: whereIs(axis, value), text: write(value, 3) }))
      : [0, 0.5, 1].map((at) => ({ at, text: write(valueAt(axis, at), 3) }));
  const last = all[all.length - 1];
  let before = -1;
  return all.filter((tick) => {
    const fits = tick === last || Math.min(tick.at - before, last.at - tick.at) >= ROOM;
    if (fits) before = tick.at;
    return fits;
  });
}

/**
 * The number at a place of an axis.
 * @param {Axis} axis
 * @param {number} at
 */
function valueAt(axis, at) {
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
 * The stretch of an axis that a query asks for, as `brushTerms` writes it.
 * @param {Axis} axis
 * @param {string} query
 * @returns {Brush | null}
 */
export function readBrush(axis, query) {
  const terms = (query.match(TERM) ?? []).filter((term) => term.startsWith(axis.field));
  const said = terms.map((term) => term.slice(axis.field.length));
  if (axis.categories) {
    const texts =
      said
        .filter((term) => /^[:=]/.test(term))
        .join()
        .match(/"(?:[^"\\]|\\.)*"/g) ?? [];
    const { categories } = axis;
    const places = texts
      .map((text) => categories.indexOf(text.slice(1, -1).replace(/\\(.)/g, "$1")))
      .filter((index) => index >= 0)
      .map((index) => index / (categories.length - 1));
    // Half a step around the outer values, so that they are inside and not at its edge.
    const around = 0.4 / Math.max(categories.length - 1, 1);
    return places.length ? [Math.min(...places) - around, Math.max(...places) + around] : null;
  }
  const end = (/** @type {RegExp} */ sign, /** @type {number} */ none) => {
    const found = said.find((term) => sign.test(term));
    const number = found ? Number(found.replace(/^[<>]=?/, "")) : NaN;
    return Number.isFinite(number) ? whereIs(axis, number) : none;
  };
  const [low, high] = [end(/^>/, -INSET), end(/^</, 1 + INSET)];
  return (low > -INSET || high < 1 + INSET) && low < high ? [low, high] : null;
}

/**
 * Whether a brush holds a place.
 * @param {Brush} brush
 * @param {number | null} place
 */
export function holds([low, high], place) {
  return place !== null && place >= low - 1e-9 && place <= high + 1e-9;
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

/**
 * What stands at a place of an axis.
 * @param {Axis} axis
 * @param {number} place
 */
export function reading(axis, place) {
  const at = Math.min(1, Math.max(0, place));
  const { categories } = axis;
  return categories?.[Math.round(at * (categories.length - 1))] ?? write(valueAt(axis, at), 3);
}
