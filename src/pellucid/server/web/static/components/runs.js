// @ts-check
// The table of runs: picking rows to compare, the baseline, and a sparkline a metric.

import { svg } from "./dom.js";
import { onKey } from "./keys.js";
import { selectedRow } from "./table.js";

const MOST = 5;
const POINTS = 24;
const BATCH = 40;

const table = document.querySelector("table[data-rows=runs]");

function boxes() {
  return /** @type {HTMLInputElement[]} */ ([
    ...document.querySelectorAll("table[data-rows=runs] input[name=pick]"),
  ]);
}

function picked() {
  return boxes().filter((box) => box.checked);
}

function show() {
  const chosen = picked();
  for (const box of boxes()) {
    box.closest("tr")?.toggleAttribute("data-checked", box.checked);
    box.disabled = !box.checked && chosen.length >= MOST;
  }
  const link = document.querySelector("[data-compare]");
  const label = document.querySelector("[data-compare-label]");
  if (!(link instanceof HTMLAnchorElement) || !label) return;
  const pinned = document.querySelector("tr.pin");
  const ids = chosen.map((box) => box.value).reverse();
  const base = pinned instanceof HTMLElement ? (pinned.dataset.run ?? "") : "";
  const all = base && ids.length === 1 && ids[0] !== base ? [base, ...ids] : ids;
  const numbers = all.map((id) => {
    const row = document.querySelector(`tr[data-run="${CSS.escape(id)}"]`);
    return `#${row instanceof HTMLElement ? row.dataset.number : ""}`;
  });
  link.setAttribute("aria-disabled", String(all.length < 2));
  label.textContent = all.length ? `Compare ${numbers.join(", ")}` : "Compare";
  if (all.length > 1) link.href = `/compare?runs=${all.join(",")}`;
  else link.removeAttribute("href");
}

/** Pin the current row, or unpin it. */
function pin() {
  const row = selectedRow();
  if (!row?.dataset.number) return;
  const address = new URL(location.href);
  const isPinned = address.searchParams.get("baseline") === row.dataset.number;
  if (isPinned) address.searchParams.delete("baseline");
  else address.searchParams.set("baseline", row.dataset.number);
  location.assign(address);
}

/**
 * @param {SVGElement} into
 * @param {number[]} values
 */
function draw(into, values) {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const points = values.map(
    (value, index) =>
      `${((index / (values.length - 1)) * 33 + 0.5).toFixed(1)},${(13 - ((value - low) / span) * 12).toFixed(1)}`,
  );
  into.append(svg("polyline", { points: points.join(" ") }));
}

/** @param {HTMLElement[]} rows */
async function fill(rows) {
  const names = new Set();
  const address = new URLSearchParams({ limit: String(POINTS) });
  for (const row of rows) {
    address.append("run", row.dataset.run ?? "");
    for (const cell of row.querySelectorAll("[data-spark]")) {
      names.add(/** @type {HTMLElement} */ (cell).dataset.spark);
    }
  }
  if (!names.size) return;
  for (const name of names) address.append("name", String(name));
  const answer = await fetch(`/api/v1/runs/series?${address}`).catch(() => null);
  if (!answer?.ok) return;
  const { series } = await answer.json();
  for (const one of series) {
    const values = one.values.filter((/** @type {unknown} */ value) => typeof value === "number");
    const row = rows.find((row) => row.dataset.run === one.run_id);
    const cell = row?.querySelector(`[data-spark="${CSS.escape(one.name)}"]`);
    if (!cell || values.length < 2) continue;
    const spark = svg("svg", { class: "spark", viewBox: "0 0 34 14", "aria-hidden": "true" });
    draw(spark, values);
    cell.prepend(spark);
  }
}

if (table) {
  const seen = new IntersectionObserver((entries) => {
    const rows = entries
      .filter((entry) => entry.isIntersecting)
      .map((entry) => /** @type {HTMLElement} */ (entry.target));
    for (const row of rows) seen.unobserve(row);
    for (let at = 0; at < rows.length; at += BATCH) fill(rows.slice(at, at + BATCH));
  });
  for (const row of table.querySelectorAll("tr[data-run]")) seen.observe(row);
  table.addEventListener("change", show);
  show();
}

document.addEventListener("input", (event) => {
  const field = /** @type {Element} */ (event.target);
  if (!(field instanceof HTMLInputElement) || !field.matches("[data-filter]")) return;
  const words = field.value.trim().toLowerCase();
  for (const label of field.form?.querySelectorAll("label") ?? []) {
    label.hidden = !(label.textContent ?? "").toLowerCase().includes(words);
  }
});

onKey((event) => {
  const link = document.querySelector(`[data-key-link="${CSS.escape(event.key)}"]`);
  if (link instanceof HTMLAnchorElement) {
    location.assign(link.href);
    return;
  }
  if (!table) return;
  if (event.key === "c") {
    const compare = document.querySelector("[data-compare]");
    if (compare instanceof HTMLAnchorElement && compare.href) location.assign(compare.href);
  } else if (event.key === "b") pin();
  else if (event.key === "x") {
    const box = selectedRow()?.querySelector("input[name=pick]");
    if (box instanceof HTMLInputElement && !box.disabled) {
      box.checked = !box.checked;
      show();
    }
  }
});
