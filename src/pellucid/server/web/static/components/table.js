// @ts-check
// Rows of a table as a list to walk: J and K move, Enter opens, X selects, a click opens.

import { onKey } from "./keys.js";

const NEIGHBOURS = "pellucid.traces";
const OPENED = "pellucid.opened";

function rows() {
  return /** @type {HTMLElement[]} */ ([...document.querySelectorAll("table[data-rows] tbody tr")]);
}

export function selectedRow() {
  return rows().find((row) => row.getAttribute("aria-selected") === "true") ?? null;
}

/** @param {HTMLElement | undefined} row */
export function selectRow(row) {
  if (!row) return;
  for (const other of rows()) {
    if (other !== row) other.setAttribute("aria-selected", "false");
  }
  row.setAttribute("aria-selected", "true");
  row.scrollIntoView({ block: "nearest" });
  row.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("pl-row", { detail: { row } }));
}

/** @param {HTMLElement} row */
function linkOf(row) {
  const link = row.querySelector("a.row-link");
  return link instanceof HTMLAnchorElement ? link : null;
}

/**
 * Remember the order of the list, so that a trace's page knows its neighbours, and the row.
 * @param {HTMLElement} row
 */
function remember(row) {
  const ids = rows().flatMap((row) => row.dataset.trace ?? []);
  if (!ids.length) return;
  try {
    sessionStorage.setItem(NEIGHBOURS, JSON.stringify(ids));
    sessionStorage.setItem(OPENED, row.dataset.trace ?? "");
  } catch {
    // Without storage a trace's page has no neighbours.
  }
}

/**
 * The trace before (-1) or after (1) this one in the list it was opened from.
 * @param {number} step
 */
function neighbour(step) {
  const split = document.querySelector("[data-trace]");
  const id = split instanceof HTMLElement && split.matches(".split") ? split.dataset.trace : "";
  try {
    /** @type {string[]} */
    const ids = JSON.parse(sessionStorage.getItem(NEIGHBOURS) ?? "[]");
    const at = ids.indexOf(id ?? "");
    return at < 0 ? undefined : ids[at + step];
  } catch {
    return undefined;
  }
}

/** Coming back from a trace, its row is the one to go on from. */
function comeBack() {
  try {
    const opened = sessionStorage.getItem(OPENED);
    const row = opened && document.getElementById(`t-${opened}`);
    const [visit] = performance.getEntriesByType("navigation");
    const isBack = /** @type {PerformanceNavigationTiming} */ (visit)?.type === "back_forward";
    if (!row || !(isBack || document.referrer.includes("/traces/"))) return;
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    sessionStorage.removeItem(OPENED);
  } catch {
    // Without storage the list begins at its top.
  }
}

comeBack();

for (const button of document.querySelectorAll("[data-neighbour]")) {
  if (!(button instanceof HTMLElement)) continue;
  const id = neighbour(Number(button.dataset.neighbour));
  button.hidden = !id;
  if (id) button.addEventListener("click", () => location.assign(`/traces/${id}`));
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const row = target.closest("table[data-rows] tbody tr");
  if (!(row instanceof HTMLElement)) return;
  remember(row);
  if (target.closest("a,button,input,label") || String(getSelection())) return;
  const link = linkOf(row);
  if (!link) return;
  if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else location.assign(link.href);
});

onKey((event) => {
  const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  const all = rows();
  if (!all.length) {
    const id = event.key === "j" ? neighbour(1) : event.key === "k" ? neighbour(-1) : undefined;
    if (id) location.assign(`/traces/${id}`);
    return;
  }
  const current = selectedRow();
  if (step) {
    const at = current ? all.indexOf(current) + step : step > 0 ? 0 : all.length - 1;
    selectRow(all[Math.min(Math.max(at, 0), all.length - 1)]);
  } else if (
    event.key === "Enter" &&
    current &&
    !(/** @type {Element} */ (event.target).closest("a,button"))
  ) {
    remember(current);
    const link = linkOf(current);
    if (link) location.assign(link.href);
  } else return;
  event.preventDefault();
});
