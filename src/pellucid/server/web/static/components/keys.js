// @ts-check
// Keys that work on every page. Single keys are off while typing, and can be turned off (WCAG 2.1.4).

import { isTyping } from "./dom.js";

const SETTING = "pellucid.single-keys";
const CHORD_MS = 3000;

/** Tell whether keys without Ctrl may do anything. */
function singleKeysAllowed() {
  return read(SETTING) !== "off" && !document.querySelector("dialog[open]");
}

/**
 * Hear the single keys that nobody else took: not typed into a field, without Ctrl, and allowed.
 * @param {(event: KeyboardEvent) => unknown} act
 */
export function onKey(act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!isTyping(event) && singleKeysAllowed()) act(event);
  });
}

/** @param {string} name */
export function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

/** @param {string} id */
function show(id) {
  const dialog = document.getElementById(id);
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
}

let chordUntil = 0;

/** @param {KeyboardEvent} event */
function chord(event) {
  const link = document.querySelector(`[data-go="${CSS.escape(event.key.toLowerCase())}"]`);
  chordUntil = 0;
  if (!(link instanceof HTMLAnchorElement)) return false;
  location.assign(link.href);
  return true;
}

/**
 * @param {KeyboardEvent} event
 * @returns {boolean} whether the key was taken
 */
function take(event) {
  if (chordUntil > event.timeStamp && chord(event)) return true;
  if (event.key === "g") {
    chordUntil = event.timeStamp + CHORD_MS;
    return true;
  }
  const pressed = document.querySelector(`[data-press="${CSS.escape(event.key)}"]`);
  if (pressed instanceof HTMLElement) {
    pressed.click();
    return true;
  }
  if (event.key === "?") {
    show("keymap");
    return true;
  }
  if (event.key === "/") {
    const query = document.querySelector(".query input, .query textarea");
    if (query instanceof HTMLElement) query.focus();
    return query !== null;
  }
  const view = document.querySelector("pl-waterfall");
  return Boolean(
    view && /** @type {{ pressed?: (event: KeyboardEvent) => boolean }} */ (view).pressed?.(event),
  );
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    show("palette");
    return;
  }
  if (event.key === "Escape" && isTyping(event))
    /** @type {HTMLElement} */ (event.target).blur();
});

onKey((event) => {
  if (take(event)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  if (target.closest("[data-palette]")) show("palette");
  if (target.closest("[data-keys]")) show("keymap");
  if (target.closest("[data-close]")) target.closest("dialog")?.close();
  if (target instanceof HTMLDialogElement) target.close();
});

const setting = document.querySelector("[data-single-keys]");
if (setting instanceof HTMLInputElement) {
  setting.checked = read(SETTING) !== "off";
  setting.addEventListener("change", () => store(SETTING, setting.checked ? "on" : "off"));
}
