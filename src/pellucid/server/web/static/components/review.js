// @ts-check
// <pl-review>: a person goes through an evaluation's examples and answers by key. Each answer is
// stored at once, shows in its row, and leads to the next example that nobody has judged.

import { html, icon } from "./dom.js";
import { openExample, walkExamples } from "./evaluation.js";
import { onKey } from "./keys.js";

/**
 * @typedef {object} Given
 * @property {string | null} id
 * @property {string} label
 * @property {boolean | null} agrees
 * @property {string} title
 * @property {number} reviewed
 * @property {number} disagreed
 * @property {string} summary
 */

class Review extends HTMLElement {
  /** @type {{ example: string, id: string }[]} */
  #done = [];
  #isBusy = false;

  connectedCallback() {
    this.note = /** @type {HTMLInputElement} */ (this.querySelector("[name=note]"));
    this.author = /** @type {HTMLInputElement} */ (this.querySelector("[name=author]"));
    this.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (button?.dataset.say !== undefined) this.#say(button.dataset.say);
      else if (button?.hasAttribute("data-undo")) this.#undo();
    });
    this.note.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.note?.blur();
      const given = this.#row()?.dataset.given;
      if (given !== undefined) this.#say(given, false);
    });
    onKey((event) => this.#key(event));
    document.addEventListener("pl-example", () => this.#mark());
    this.#mark();
  }

  #row() {
    const row = document.querySelector('tr[data-example][aria-selected="true"]');
    return row instanceof HTMLElement ? row : null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const key = event.key.toLowerCase();
    if (key === "u") this.#undo();
    else if (key === "w") this.note?.focus();
    else {
      const button = [...this.querySelectorAll("button[data-say]")].find((one) =>
        (one.getAttribute("data-keys-of") ?? "").split(" ").includes(key),
      );
      if (!(button instanceof HTMLElement)) return;
      this.#say(button.dataset.say ?? "");
    }
    event.preventDefault();
  }

  /**
   * @param {string} value
   * @param {boolean} [goesOn] whether the next example opens
   */
  async #say(value, goesOn = true) {
    const row = this.#row();
    if (!row || this.#isBusy) return;
    const body = new URLSearchParams({
      example: row.dataset.example ?? "",
      score: this.dataset.score ?? "",
      value,
      note: this.note?.value ?? "",
      author: this.author?.value ?? "",
    });
    const note = this.note?.value;
    const given = await this.#send("POST", this.dataset.url ?? "", body);
    if (!given?.id) return;
    // Who went on meanwhile, or began to write, is left where they are.
    const isHere = row === this.#row() && document.activeElement !== this.note;
    row.dataset.given = value;
    this.#done.push({ example: row.dataset.example ?? "", id: given.id });
    if (this.note && this.note.value === note) this.note.value = "";
    this.#show(row, given);
    if (goesOn && isHere) this.#next(row);
    else this.#mark();
  }

  async #undo() {
    const last = this.#done.at(-1);
    if (!last || this.#isBusy) return;
    const row = document.querySelector(`tr[data-example="${CSS.escape(last.example)}"]`);
    const query = new URLSearchParams({ example: last.example, score: this.dataset.score ?? "" });
    const given = await this.#send("DELETE", `${this.dataset.url}/${last.id}?${query}`);
    if (!given || !(row instanceof HTMLElement)) return;
    this.#done.pop();
    delete row.dataset.given;
    this.#show(row, given);
    openExample(row);
    this.#mark();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {URLSearchParams} [body]
   * @returns {Promise<Given | null>}
   */
  async #send(method, path, body) {
    this.#isBusy = true;
    this.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(path, { method, body });
      if (response.ok) return await response.json();
      const problem = await response.json().catch(() => ({}));
      this.#fail(problem.detail ?? `The server answered ${response.status}.`);
    } catch {
      this.#fail("The answer was not stored. Is the server still running?");
    } finally {
      this.#isBusy = false;
      this.removeAttribute("aria-busy");
    }
    return null;
  }

  /** @param {string} message */
  #fail(message) {
    const toast = html("div", { class: "toast err" }, icon("circle-alert"), message);
    document.getElementById("toasts")?.append(toast);
    setTimeout(() => toast.remove(), 6000);
  }

  /**
   * @param {HTMLElement} row
   * @param {Given} given
   */
  #show(row, given) {
    const cell = row.querySelector("[data-said]");
    const parts = [];
    if (given.id) {
      const said = html("span", {
        class: given.agrees === false ? "said odd" : "said",
        title: given.title,
      });
      if (given.agrees !== null) {
        const mark = icon(given.agrees ? "check" : "x");
        mark.classList.add("s");
        said.append(mark, html("span", { class: "sr" }, given.agrees ? "agrees" : "disagrees"));
      }
      said.append(html("b", {}, given.label));
      parts.push(said);
    }
    cell?.replaceChildren(...parts);
    const reviewed = this.querySelector("[data-reviewed]");
    const agreement = this.querySelector("[data-agreement]");
    if (reviewed) reviewed.textContent = given.reviewed.toLocaleString("en");
    if (agreement) agreement.textContent = given.summary;
    this.querySelector("progress")?.setAttribute("value", String(given.reviewed));
  }

  /** @param {HTMLElement} from */
  #next(from) {
    const rows = [...document.querySelectorAll("tr[data-example]")];
    const at = rows.indexOf(from);
    const order = [...rows.slice(at + 1), ...rows.slice(0, at)];
    const waiting = order.find(
      (row) => !row.querySelector("[data-said] .said") && !row.hasAttribute("data-failed"),
    );
    if (waiting instanceof HTMLElement) openExample(waiting);
    else walkExamples(0);
    this.#mark();
  }

  /** Mark the answer that was given to the example which is open. */
  #mark() {
    const given = this.#row()?.dataset.given;
    for (const button of this.querySelectorAll("button[data-say]")) {
      button.toggleAttribute("data-given", button.getAttribute("data-say") === given);
    }
    const undo = this.querySelector("[data-undo]");
    if (undo instanceof HTMLButtonElement) undo.disabled = !this.#done.length;
  }
}

customElements.define("pl-review", Review);
