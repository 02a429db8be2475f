// @ts-check
// The Live button of the trace list: new and changed rows come in by themselves. Scrolled down or
// with a row selected they wait behind a pill, so that nothing moves under the reader.

import { html } from "./dom.js";
import { plural } from "./format.js";
import { onKey, read, store } from "./keys.js";
import { selectedRow } from "./table.js";

const EVERY_MS = 2000;
const MOST_ROWS = 500;
const LOOKS_AN_OVERVIEW = 8;
const SETTING = "pellucid.live";

const button = document.querySelector("[data-live]");
const body = document.querySelector("[data-live-rows]");
const list = document.getElementById("list");
if (button instanceof HTMLElement && body instanceof HTMLTableSectionElement && list) {
  start(button, body, list);
}

/**
 * @param {HTMLElement} button
 * @param {HTMLTableSectionElement} body
 * @param {HTMLElement} list
 */
function start(button, body, list) {
  const isLater = body.hasAttribute("data-later");
  const word = /** @type {HTMLElement} */ (button.querySelector("[data-word]"));
  let on = read(SETTING) === "on" && !isLater;
  let timer = 0;
  let looks = 0;
  let isLooking = false;
  /** @type {HTMLElement | null} */
  let pill = null;

  const show = () => {
    button.setAttribute("aria-pressed", String(on));
    clearTimeout(timer);
    if (!on) say("");
    if (on && !isLooking) timer = setTimeout(look, 0);
  };

  /** @param {string} fault empty while the server answers */
  const say = (fault) => {
    button.title = fault || "Show new traces as they arrive (L)";
    button.toggleAttribute("data-lost", Boolean(fault));
    word.textContent = fault ? "Reconnecting " : "Live ";
  };

  async function look() {
    isLooking = true;
    if (!document.hidden) {
      try {
        const response = await fetch(/** @type {string} */ (body.dataset.liveRows));
        if (response.ok) take(await response.text());
        say(response.ok ? "" : "The server cannot answer; trying again");
      } catch {
        say("The server does not answer; trying again");
      }
    }
    isLooking = false;
    looks++;
    if (looks % LOOKS_AN_OVERVIEW === 0) document.body.dispatchEvent(new CustomEvent("pl-live"));
    if (on) timer = setTimeout(look, EVERY_MS);
  }

  /** @param {string} text rows, escaped by the server */
  function take(text) {
    const table = new DOMParser().parseFromString(
      `<table><tbody>${text}</tbody></table>`,
      "text/html",
    );
    const rows = [...table.querySelectorAll("tr")].map((row) => document.adoptNode(row));
    /** @type {HTMLElement[]} */
    const added = [];
    let isChanged = false;
    for (const row of rows) {
      const known = document.getElementById(row.id);
      if (!known) added.push(row);
      else if (content(known) !== content(row)) {
        isChanged = true;
        const isHere = known === document.activeElement;
        row.setAttribute("aria-selected", known.getAttribute("aria-selected") ?? "false");
        row.toggleAttribute("data-checked", known.hasAttribute("data-checked"));
        known.replaceWith(row);
        if (isHere) row.focus({ preventScroll: true });
      }
    }
    if (isChanged) document.dispatchEvent(new Event("pl-rows"));
    if (!added.length) return;
    if (list.scrollTop > 40 || selectedRow()) offer(added);
    else insert(added);
  }

  /** @param {HTMLElement[]} rows */
  function insert(rows) {
    for (const row of rows) row.setAttribute("data-new", "");
    body.prepend(...rows);
    while (body.rows.length > MOST_ROWS) body.rows[body.rows.length - 1].remove();
    list.querySelector(".empty")?.remove();
    document.dispatchEvent(new Event("pl-rows"));
  }

  /** @param {HTMLElement[]} rows */
  function offer(rows) {
    pill?.remove();
    pill = html(
      "button",
      { class: "btn pri pill", type: "button" },
      `${plural(rows.length, "new trace")}`,
    );
    pill.addEventListener("click", () => {
      insert(rows);
      list.scrollTop = 0;
      pill?.remove();
    });
    list.prepend(pill);
  }

  const toggle = () => {
    on = !on;
    store(SETTING, on ? "on" : "off");
    if (on && isLater) location.assign(location.pathname + withoutCursor());
    show();
  };
  button.addEventListener("click", toggle);
  onKey(({ key }) => key === "l" && toggle());
  show();
}

/**
 * What a row says, without its state and its ages, which change by themselves.
 * @param {Element} row
 */
function content(row) {
  const copy = /** @type {Element} */ (row.cloneNode(true));
  for (const age of copy.querySelectorAll("time")) age.remove();
  const marks = [...copy.querySelectorAll("[aria-label]")].map((mark) =>
    mark.getAttribute("aria-label"),
  );
  return `${copy.textContent}${marks}`;
}

function withoutCursor() {
  const parameters = new URLSearchParams(location.search);
  parameters.delete("cursor");
  return parameters.size ? `?${parameters}` : "";
}
