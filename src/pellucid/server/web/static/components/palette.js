// @ts-check
// <pl-palette>: go to a page, an experiment or a recent trace by a few letters of it.

import { html, icon } from "./dom.js";
import { formatAge, formatDuration, plural } from "./format.js";
import { kindLook } from "./kinds.js";

/**
 * @typedef {object} Place
 * @property {string} group
 * @property {string} label
 * @property {string} icon
 * @property {string} [kind] colours the icon
 * @property {string} [note]
 * @property {string[]} [keys]
 * @property {string} [href]
 * @property {() => void} [act]
 */

const MOST = 40;

class Palette extends HTMLElement {
  /** @type {Place[]} */
  #places = [];
  /** @type {Place[]} */
  #shown = [];
  #at = 0;

  connectedCallback() {
    this.input = /** @type {HTMLInputElement} */ (this.querySelector("input"));
    this.list = /** @type {HTMLElement} */ (this.querySelector("ul"));
    this.dialog = /** @type {HTMLDialogElement} */ (this.closest("dialog"));
    this.input.addEventListener("input", () => this.#filter());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("click", (event) => {
      const item = /** @type {Element} */ (event.target).closest("[data-at]");
      if (item instanceof HTMLElement) this.#open(Number(item.dataset.at));
    });
    new MutationObserver(() => this.dialog?.open && this.#opened()).observe(this.dialog, {
      attributes: true,
      attributeFilter: ["open"],
    });
  }

  #opened() {
    if (!this.input) return;
    this.input.value = "";
    this.#places = commands();
    this.#filter();
    this.#fetch(this.#places);
  }

  /**
   * Add what the server knows; what was chosen before that stays chosen.
   * @param {Place[]} places
   */
  async #fetch(places) {
    const [experiments, traces] = await Promise.all([
      ask("/api/v1/experiments"),
      ask("/api/v1/traces?limit=100"),
    ]);
    const now = Date.now();
    for (const one of experiments?.experiments ?? []) {
      const traced = plural(one.trace_count, "trace");
      places.push({
        group: "Experiments",
        label: one.name,
        icon: "flask-conical",
        note: one.run_count ? `${plural(one.run_count, "run")}, ${traced}` : traced,
        href: `/experiments/${one.slug}/${one.trace_count ? "traces" : "runs"}`,
      });
    }
    for (const one of traces?.traces ?? []) {
      const look = kindLook(one.root_kind);
      const age = formatAge(one.start_ns / 1e6, now);
      places.push({
        group: "Traces",
        label: said(one.input_preview) || one.name,
        icon: look.icon,
        kind: look.key,
        note: `${formatDuration(one.duration_ns)} · ${age}`,
        href: `/traces/${one.trace_id}`,
      });
    }
    if (places !== this.#places) return;
    const chosen = this.#at ? this.#shown[this.#at] : undefined;
    this.#filter();
    if (!chosen || !this.#shown.includes(chosen)) return;
    this.#at = this.#shown.indexOf(chosen);
    this.#draw();
  }

  #filter() {
    const words = (this.input?.value ?? "").trim().toLowerCase();
    const id = /^[0-9a-f]{32}$/.exec(words);
    this.#shown = words
      ? this.#places
          .map((place) => ({ place, rank: rank(place, words) }))
          .filter(({ rank }) => rank > 0)
          .sort((a, b) => b.rank - a.rank)
          .map(({ place }) => place)
      : this.#places.filter(
          ({ group }, at, all) => all.slice(0, at).filter((one) => one.group === group).length < 8,
        );
    if (id) {
      this.#shown.unshift({
        group: "Traces",
        label: `Open trace ${words}`,
        icon: "list-tree",
        href: `/traces/${words}`,
      });
    }
    if (/.@\d+$/.test(words)) {
      this.#shown.unshift({
        group: "Runs",
        label: `Open run ${words}`,
        icon: "flask-conical",
        href: `/runs/${encodeURIComponent((this.input?.value ?? "").trim())}`,
      });
    }
    this.#shown = regroup(this.#shown.slice(0, MOST));
    this.#at = 0;
    this.#draw();
  }

  #draw() {
    /** @type {HTMLElement[]} */
    const items = [];
    let group = "";
    this.#shown.forEach((place, at) => {
      if (place.group !== group)
        items.push(html("li", { class: "label", role: "presentation" }, place.group));
      group = place.group;
      const glyph = place.kind
        ? html("span", { class: "k", "data-k": place.kind }, icon(place.icon))
        : icon(place.icon);
      const item = html(
        "li",
        {
          role: "option",
          id: `place-${at}`,
          "data-at": at,
          "aria-selected": String(at === this.#at),
        },
        glyph,
        html("span", { class: "trunc" }, place.label),
        html("span", { class: "end xs dim" }, place.note ?? ""),
        ...(place.keys ?? []).map((name) => html("kbd", {}, name)),
      );
      items.push(item);
    });
    if (!items.length)
      items.push(
        html("li", { class: "none" }, "Nothing by that name. A trace id opens its trace."),
      );
    this.list?.replaceChildren(...items);
    this.input?.setAttribute(
      "aria-activedescendant",
      this.#shown.length ? `place-${this.#at}` : "",
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#shown.length) {
      event.preventDefault();
      this.#at = (this.#at + step + this.#shown.length) % this.#shown.length;
      this.#draw();
      this.list?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#open(this.#at, event.ctrlKey || event.metaKey);
    }
  }

  /**
   * @param {number} at
   * @param {boolean} [apart] in a new tab
   */
  #open(at, apart = false) {
    const place = this.#shown[at];
    if (!place) return;
    this.dialog?.close();
    place.act?.();
    if (place.href && apart) window.open(place.href, "_blank", "noopener");
    else if (place.href) location.assign(place.href);
  }
}

/** @returns {Place[]} */
function commands() {
  /** @type {Place[]} */
  const pages = [...document.querySelectorAll(".side a.nav")].map((link) => ({
    group: "Pages",
    label: link.getAttribute("title") ?? "",
    icon: link.querySelector("use")?.getAttribute("href")?.split("#")[1] ?? "link",
    keys: ["G", (link.getAttribute("data-go") ?? "").toUpperCase()].filter(Boolean),
    href: /** @type {HTMLAnchorElement} */ (link).href,
  }));
  /** @type {(selector: string) => () => void} */
  const press = (selector) => () =>
    /** @type {HTMLElement | null} */ (document.querySelector(selector))?.click();
  pages.push(
    {
      group: "Commands",
      label: "Switch theme",
      icon: "sun",
      act: press("[data-theme-toggle]"),
    },
    {
      group: "Commands",
      label: "Show all keys",
      icon: "keyboard",
      keys: ["?"],
      act: press("[data-keys]"),
    },
  );
  return pages;
}

/**
 * The text of a preview that is JSON, else all of it.
 * @param {string | null} preview
 */
function said(preview) {
  if (!preview?.startsWith("{")) return preview ?? "";
  const text = /"(?:question|query|input|task|prompt|content|text)"\s*:\s*"((?:[^"\\]|\\.)+)/.exec(
    preview,
  );
  return text?.[1] ?? preview;
}

/**
 * How well a place fits: its start, a word's start, the letters in order; 0 if not at all.
 * @param {Place} place
 * @param {string} words
 */
function rank(place, words) {
  const label = place.label.toLowerCase();
  if (label.startsWith(words)) return 4;
  const at = label.indexOf(words);
  if (at > 0) return /\W/.test(label[at - 1]) ? 3 : 2;
  let from = 0;
  for (const letter of words) {
    from = label.indexOf(letter, from) + 1;
    if (!from) return 0;
  }
  return label.length < 60 ? 1 : 0;
}

/**
 * Bring places of one group together, groups in the order of their best place.
 * @param {Place[]} places
 */
function regroup(places) {
  const groups = [...new Set(places.map(({ group }) => group))];
  return groups.flatMap((group) => places.filter((place) => place.group === group));
}

/** @param {string} address */
async function ask(address) {
  try {
    const response = await fetch(address);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

customElements.define("pl-palette", Palette);
