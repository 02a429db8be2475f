// @ts-check
// Copy buttons: a text, the page's own address, or what another address holds.

import { html, setIcon } from "./dom.js";

const SHOWN_MS = 1200;

/** @param {string} text */
async function put(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https or loopback there is no clipboard API; a hidden field still copies.
  const field = html("textarea", { class: "sr", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** @param {HTMLElement} button */
async function textOf(button) {
  if (button.dataset.copyFrom) {
    const response = await fetch(button.dataset.copyFrom);
    if (!response.ok) throw new Error(String(response.status));
    return response.text();
  }
  return button.dataset.copy ?? location.href;
}

/**
 * Say something for a moment at the bottom right.
 * @param {string} text
 */
export function toast(text) {
  const shelf = document.getElementById("toasts");
  const note = html("div", { class: "toast" }, html("span", {}, text));
  shelf?.append(note);
  setTimeout(() => note.remove(), 8000);
}

document.addEventListener("click", async (event) => {
  const target = /** @type {Element} */ (event.target);
  const button = target.closest("[data-copy],[data-copy-from],[data-copy-link]");
  if (!(button instanceof HTMLElement)) return;
  event.preventDefault();
  const label = button.getAttribute("aria-label");
  try {
    await put(await textOf(button));
  } catch {
    toast("It could not be copied. Select the text instead.");
    return;
  }
  const mark = button.querySelector("svg");
  if (mark) setIcon(mark, "check");
  if (label) button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    if (mark) setIcon(mark, button.hasAttribute("data-copy-link") ? "link" : "copy");
    if (label) button.setAttribute("aria-label", label);
  }, SHOWN_MS);
});
