// @ts-check
// The span panel: htmx fetches it, the address follows it, and every view hears of it.

import { debounce, fill } from "./dom.js";
import { onKey } from "./keys.js";
import { keepLast } from "./pane.js";

const panel = document.getElementById("span");
const split = document.querySelector("[data-trace]");
const trace = split instanceof HTMLElement ? split.dataset.trace : undefined;
let wantedSpan = "";
let wantedTab = new URL(location.href).searchParams.get("tab") ?? "";

const fetchSoon = debounce(() => {
  const tab = wantedTab ? `?tab=${encodeURIComponent(wantedTab)}` : "";
  fill(`/traces/${trace}/spans/${wantedSpan}${tab}`, { source: "#span", target: "#span" });
}, 50);

function shown() {
  const body = panel?.querySelector("#span-body");
  return (body instanceof HTMLElement && body.dataset.span) || "";
}

/**
 * Show a span in the panel and in the address, and tell the other views.
 * @param {string} span
 * @param {{ from?: Element, tab?: string }} [options]
 */
export function openSpan(span, { from, tab } = {}) {
  if (!panel || !trace) return;
  if (tab) wantedTab = tab;
  const isShown = shown() === span && !wantedSpan;
  document.dispatchEvent(new CustomEvent("pl-select", { detail: { span, from } }));
  keepAddress(span);
  if (isShown && !tab) return;
  wantedSpan = span;
  panel.setAttribute("aria-busy", "true");
  fetchSoon();
}

/** @param {string} span */
function keepAddress(span) {
  const url = new URL(location.href);
  url.searchParams.set("span", span);
  if (wantedTab) url.searchParams.set("tab", wantedTab);
  history.replaceState(null, "", url);
}

// A running trace came further: the header is read anew, and so is the panel of a running span,
// unless it is on its way, or somebody writes in it.
document.addEventListener("pl-changed", () => {
  const context = { target: ".answer", swap: "outerHTML", select: ".answer" };
  fill(location.pathname + location.search, context);
  if (!panel?.querySelector(".strip.run") || panel.ariaBusy || isWritten()) return;
  wantedSpan = shown();
  fetchSoon();
});

function isWritten() {
  const note = panel?.querySelector(".annotate [name=note]");
  return (
    Boolean(panel?.querySelector(".annotate :focus")) ||
    Boolean(note instanceof HTMLInputElement && note.value)
  );
}

if (panel) {
  keepLast(panel, {
    body: "#span-body",
    what: "This span",
    isWanted: (path) => path.includes(wantedSpan),
    failed: () => {
      if (shown() !== wantedSpan) panel.querySelector(".span-head")?.remove();
    },
  });
}

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const link = target.closest("[data-span]");
  if (link instanceof HTMLAnchorElement && link.dataset.span && !hasModifier(event)) {
    event.preventDefault();
    openSpan(link.dataset.span, { tab: link.dataset.tab });
  }
});

// A tab is asked for like a span, before htmx hears of it: one after the other, and while another
// span is on its way it is that span's.
document.addEventListener(
  "click",
  (event) => {
    const tab = /** @type {Element} */ (event.target).closest(".tab[data-tab]");
    if (!(tab instanceof HTMLElement) || hasModifier(event) || !panel?.contains(tab)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    openSpan(wantedSpan || shown(), { tab: tab.dataset.tab });
  },
  true,
);

/** @param {MouseEvent} event */
function hasModifier(event) {
  return event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
}

onKey((event) => {
  if (!panel || !/^[1-6]$/.test(event.key)) return;
  const tab = panel.querySelectorAll(".tab")[Number(event.key) - 1];
  if (tab instanceof HTMLElement) tab.click();
});
