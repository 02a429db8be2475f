// @ts-check
// Figures and times as people read them; `web/format.py` says the same on the server.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * Write a duration with its unit: `4 µs`, `560 ms`, `41.8 s`, `2m 05s`.
 * @param {number} ns
 */
export function formatDuration(ns) {
  if (ns < 1_000) return `${Math.max(Math.round(ns), 0)} ns`;
  if (ns < 999_500) return `${Math.round(ns / 1_000)} µs`;
  if (ns < 9_950_000) return `${(ns / 1e6).toFixed(1).replace(/\.0$/, "")} ms`;
  if (ns < 999_500_000) return `${Math.round(ns / 1e6)} ms`;
  const s = ns / 1e9;
  if (s < 99.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`;
  if (whole < 86_400) {
    return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
  }
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3600)}h`;
}

/**
 * Write how long ago something was, up to a day; then its date, with the year if it is another.
 * @param {number} atMs
 * @param {number} nowMs
 */
export function formatAge(atMs, nowMs) {
  const s = Math.floor((nowMs - atMs) / 1000);
  if (s < 0) return s > -60 ? "now" : formatDate(atMs, nowMs);
  if (s < 60) return `${s}s`;
  if (s < 600) return `${Math.floor(s / 60)}m ${String(s % 60).padStart(2, "0")}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h`;
  return formatDate(atMs, nowMs);
}

/**
 * @param {number} atMs
 * @param {number} nowMs
 */
function formatDate(atMs, nowMs) {
  const at = new Date(atMs);
  const year = at.getFullYear();
  const time = `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
  if (year !== new Date(nowMs).getFullYear()) {
    return `${at.getDate()} ${MONTHS[at.getMonth()]} ${year}`;
  }
  return `${at.getDate()} ${MONTHS[at.getMonth()]} ${time}`;
}

/**
 * Write a label of a time axis whose ticks are `stepNs` apart.
 * @param {number} ns
 * @param {number} stepNs
 */
export function formatTick(ns, stepNs) {
  const [unit, name] = /** @type {[number, string]} */ (
    stepNs < 1e3
      ? [1, "ns"]
      : stepNs < 1e6
        ? [1e3, "µs"]
        : stepNs < 1e9
          ? [1e6, "ms"]
          : stepNs < 60e9
            ? [1e9, "s"]
            : stepNs < 3_600e9
              ? [60e9, "min"]
              : stepNs < 86_400e9
                ? [3_600e9, "h"]
                : [86_400e9, "d"]
  );
  return `${Number((ns / unit).toFixed(3))} ${name}`;
}

/**
 * Name a count: `1 span`, `40 spans`.
 * @param {number} count
 * @param {string} noun
 */
export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : `${noun}s`}`;
}
