// @ts-check
// An evaluation's examples: J and K walk them, the pane follows, R goes to the next regression.
// In the list of evaluations X picks two and C compares them.

import { debounce, fill, html } from "./dom.js";
import { onKey } from "./keys.js";
import { keepLast } from "./pane.js";
import { selectedRow } from "./table.js";

const table = document.querySelector("table[data-examples]");
const pane = document.getElementById("example");
const source = `${pane?.dataset.src}?id=`;
let wanted = "";

function rows() {
  return /** @type {HTMLElement[]} */ ([...(table?.querySelectorAll("tr[data-example]") ?? [])]);
}

function current() {
  return rows().find((row) => row.getAttribute("aria-selected") === "true");
}

const fetchSoon = debounce(() => fill(wanted, { source: "#example", target: "#example" }), 50);

/**
 * Select an example's row and show it in full.
 * @param {HTMLElement | undefined} row
 */
export function openExample(row) {
  const id = row?.dataset.example;
  if (!row || !pane || id === undefined) return;
  for (const other of rows()) {
    if (other !== row) other.setAttribute("aria-selected", "false");
  }
  row.setAttribute("aria-selected", "true");
  row.scrollIntoView({ block: "nearest" });
  row.focus({ preventScroll: true });
  wanted = source + encodeURIComponent(id) + (pane.dataset.kept ? `&${pane.dataset.kept}` : "");
  show();
  const url = new URL(location.href);
  url.searchParams.set("example", id);
  history.replaceState(null, "", url);
  document.dispatchEvent(new CustomEvent("pl-example"));
  fetchSoon();
}

/**
 * Go on to another example; 0 shows the same one anew.
 * @param {number} step
 */
export function walkExamples(step) {
  const all = rows();
  const row = current();
  const at = row ? all.indexOf(row) + step : step > 0 ? 0 : all.length - 1;
  openExample(all[Math.min(Math.max(at, 0), all.length - 1)]);
}

function nextRegression() {
  const all = rows();
  const row = current();
  const at = row ? all.indexOf(row) : -1;
  const order = [...all.slice(at + 1), ...all.slice(0, at + 1)];
  openExample(order.find((one) => one.hasAttribute("data-regressed")));
}

function show() {
  if (pane) pane.hidden = false;
  pane?.setAttribute("aria-busy", "true");
}

function close() {
  if (pane) pane.hidden = true;
}

// The head of the example before must not stand over what could not be loaded.
function renameHead() {
  const head = pane?.querySelector(".ex-head .row");
  const asked = current()?.querySelector(".row-link")?.textContent ?? "";
  head?.querySelectorAll(":scope > :not(button, .end)").forEach((one) => one.remove());
  head?.prepend(html("b", { class: "trunc" }, asked));
}

/** @param {string} selector */
function follow(selector) {
  const link = document.querySelector(selector);
  if (link instanceof HTMLAnchorElement) link.click();
}

if (pane) {
  keepLast(pane, {
    body: "#example-body",
    what: "This example",
    failed: renameHead,
    isWanted: (path) => path === wanted || !path.startsWith(source),
  });
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("[data-example-close]")) return close();
  if (target.closest("[hx-target='#example']")) {
    wanted = "";
    show();
  }
  const step = target.closest("[data-example-step]");
  if (step instanceof HTMLElement) return walkExamples(Number(step.dataset.exampleStep));
  const row = target.closest("tr[data-example]");
  if (!(row instanceof HTMLElement) || event.ctrlKey || event.metaKey) return;
  if (target.closest("button") || String(getSelection())) return;
  event.preventDefault();
  openExample(row);
});

onKey((event) => {
  if (!table) return;
  const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  const inPane = /** @type {Element} */ (event.target).closest?.("#example");
  if (step && !(inPane && event.key.startsWith("Arrow"))) walkExamples(step);
  else if (event.key === "r") nextRegression();
  else if (event.key === "v") follow("a[data-review-toggle]");
  else if (event.key === "s" && document.querySelector("a[data-swap]")) follow("a[data-swap]");
  else if (event.key === "Escape" && pane && !pane.hidden) close();
  else if (event.key === "Enter" && current()?.dataset.traceUrl) {
    if (/** @type {Element} */ (event.target).closest?.("a,button,summary,input")) return;
    location.assign(current()?.dataset.traceUrl ?? "");
  } else return;
  event.preventDefault();
});

// The list: two to five picked evaluations are compared, all with the earliest.

const MOST = 5;
const compare = document.querySelector("button[data-compare]");

function picked() {
  const boxes = document.querySelectorAll("tr[data-evaluation] input[data-pick]:checked");
  return [...boxes].map((box) => /** @type {HTMLElement} */ (box.closest("tr")));
}

function fits() {
  return picked().length >= 2 && picked().length <= MOST;
}

function showPicked() {
  const count = picked().length;
  const note = document.getElementById("picked");
  if (compare instanceof HTMLButtonElement) compare.disabled = !fits();
  if (!note) return;
  note.hidden = !count;
  note.textContent =
    count > MOST
      ? `${count} picked; ${MOST} fit side by side`
      : count === 1
        ? "1 picked; one more to compare"
        : `${count} picked`;
}

function comparePicked() {
  if (!fits()) return;
  const ids = picked()
    .sort((a, b) => Number(BigInt(a.dataset.start ?? 0) - BigInt(b.dataset.start ?? 0)))
    .map((row) => encodeURIComponent(row.dataset.evaluation ?? ""));
  location.assign(`/evaluations/compare?runs=${ids.join(",")}`);
}

if (compare) {
  document.addEventListener("change", showPicked);
  compare.addEventListener("click", comparePicked);
  onKey((event) => {
    const box = selectedRow()?.querySelector("input[data-pick]");
    if (event.key === "x" && box instanceof HTMLInputElement) {
      box.checked = !box.checked;
      showPicked();
    } else if (event.key === "c") comparePicked();
    else return;
    event.preventDefault();
  });
  showPicked();
}
