// @ts-check
// <pl-query>: the query bar. The text is plain and can be copied; a mirror behind it tints the
// parsed terms and underlines what is wrong; a list below proposes how to go on.

import { debounce, html } from "./dom.js";
import { tint } from "./query-tint.js";

/**
 * @typedef {object} Completions
 * @property {number} start
 * @property {number} end
 * @property {{ text: string, about: string }[]} proposals
 * @property {{ message: string, position: number, length: number } | null} fault
 */

const SETTLE_MS = 90;

class Query extends HTMLElement {
  /** @type {Completions | null} */
  #answer = null;
  #at = -1;
  #asked = "";
  /** @type {Promise<void>} */
  #answered = Promise.resolve();
  #isOpen = false;

  connectedCallback() {
    this.input = /** @type {HTMLInputElement} */ (this.querySelector("input"));
    this.mirror = html("span", { class: "mirror", "aria-hidden": "true" });
    this.list = html("div", {
      class: "pop proposals",
      role: "listbox",
      id: "proposals",
      hidden: true,
    });
    this.input.before(this.mirror);
    this.append(this.list);
    this.input.setAttribute("role", "combobox");
    this.input.setAttribute("aria-controls", "proposals");
    this.input.setAttribute("aria-expanded", "false");
    const ask = debounce(() => this.#ask(), SETTLE_MS);
    this.input.addEventListener("input", () => {
      this.#forget();
      this.#isOpen = true;
      this.#tint();
      ask();
    });
    this.input.addEventListener("focus", () => {
      this.#forget();
      this.#isOpen = true;
      ask();
    });
    this.input.addEventListener("blur", () => this.#close());
    this.input.addEventListener("scroll", () => this.#follow());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const item = /** @type {Element} */ (event.target).closest("[data-at]");
      if (item instanceof HTMLElement) this.#take(Number(item.dataset.at));
    });
    this.classList.add("is-tinted");
    this.#tint();
  }

  #tint() {
    const { input, mirror } = this;
    if (!input || !mirror) return;
    const fault = this.#answer?.fault ?? this.#given();
    mirror.replaceChildren(...tint(input.value, fault));
    this.#follow();
  }

  /** The fault that the server found in the query that the page shows. */
  #given() {
    const { position, length, faulty } = this.dataset;
    if (position === undefined || faulty !== this.input?.value) return null;
    return { message: "", position: Number(position), length: Number(length) };
  }

  #follow() {
    const { input, mirror } = this;
    if (input && mirror) mirror.style.transform = `translateX(${-input.scrollLeft}px)`;
  }

  /** Whatever is still on its way is about a text that stands no more, or was long ago. */
  #forget() {
    this.#answer = null;
    this.#asked = "";
  }

  /**
   * Ask for proposals once for what is typed: a second answer to the same question would
   * take away the choice that the first one let the user make.
   */
  #ask() {
    const { input } = this;
    if (!input) return this.#answered;
    const at = String(input.selectionStart ?? input.value.length);
    const asked = String(new URLSearchParams({ query: input.value, at }));
    if (asked !== this.#asked) {
      this.#asked = asked;
      this.#answered = this.#fetch(asked);
    }
    return this.#answered;
  }

  /** @param {string} asked */
  async #fetch(asked) {
    try {
      const response = await fetch(`${this.getAttribute("src")}&${asked}`);
      const answer = response.ok ? await response.json() : null;
      if (asked !== this.#asked || this.#answer) return;
      if (!answer) return void this.#forget();
      this.#answer = answer;
    } catch {
      if (asked === this.#asked) this.#forget();
      return;
    }
    this.#at = -1;
    this.#tint();
    this.#draw();
  }

  #draw() {
    const { input, list } = this;
    const answer = this.#answer;
    if (!input || !list || !answer) return;
    const items = answer.proposals.map(({ text, about }, at) =>
      html(
        "div",
        {
          role: "option",
          id: `proposal-${at}`,
          "data-at": at,
          "aria-selected": String(at === this.#at),
        },
        html("code", {}, text),
        html("span", { class: "dim xs trunc" }, about),
      ),
    );
    const typing = (input.selectionStart ?? 0) >= input.value.length && items.length > 0;
    if (answer.fault && !typing) {
      items.push(html("p", { class: "proposal-fault", role: "alert" }, answer.fault.message));
    }
    list.replaceChildren(...items);
    list.hidden = !this.#isOpen || !items.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.setAttribute("aria-invalid", String(answer.fault !== null && !typing));
    if (this.#at >= 0) {
      input.setAttribute("aria-activedescendant", `proposal-${this.#at}`);
      list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  #close() {
    this.#isOpen = false;
    if (this.list) this.list.hidden = true;
    this.input?.setAttribute("aria-expanded", "false");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const isShown = this.list !== undefined && !this.list.hidden;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && (isShown || step > 0)) {
      this.#isOpen = true;
      this.#whenAnswered(() => this.#step(step));
    } else if (event.key === "Tab" && isShown && !event.shiftKey) {
      this.#whenAnswered(() => this.#take(Math.max(this.#at, 0)));
    } else if (event.key === "Enter" && isShown && this.#at >= 0) {
      this.#take(this.#at);
    } else if (event.key === "Escape" && isShown) {
      this.#close();
      if (!this.#answer) return; // what was proposed is not about what is typed now
      event.stopPropagation();
    } else return;
    event.preventDefault();
  }

  /**
   * Act on the proposals for what is typed, which may still be on their way.
   * @param {() => void} act
   */
  #whenAnswered(act) {
    if (this.#answer) act();
    else this.#ask().then(act);
  }

  /** @param {number} step */
  #step(step) {
    const count = this.#answer?.proposals.length ?? 0;
    if (!count) return;
    this.#at = (Math.max(this.#at, step > 0 ? -1 : 0) + step + count) % count;
    this.#draw();
  }

  /** @param {number} at */
  #take(at) {
    const { input } = this;
    const answer = this.#answer;
    const proposal = answer?.proposals[at];
    if (!input || !answer || !proposal) return;
    const isValue = !/[:.( ]$/.test(proposal.text);
    // Letters typed since the answer came belong to the word that is replaced.
    const since = input.value.slice(answer.end, input.selectionStart ?? answer.end);
    const end = answer.end + (/\s/.test(since) ? 0 : since.length);
    const rest = input.value.slice(end);
    const text = proposal.text + (isValue && !rest.startsWith(" ") ? " " : "");
    input.setRangeText(text, answer.start, end, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

customElements.define("pl-query", Query);
