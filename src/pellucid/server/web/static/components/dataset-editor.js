// @ts-check
// The table of a dataset's examples as an editor: cells, rows, paste, undo, and one save.

import { toast } from "./copy.js";
import { readRows, readText, lineOf, textOf, valueOf, withValue } from "./dataset-values.js";
import { html, icon } from "./dom.js";

/** @typedef {import("./dataset-values.js").Example} Example */
/** @typedef {{ saved: Example | null, now: Example | null }} State `now` null: removed */
/** @typedef {{ row: HTMLTableRowElement, before: Example | null, after: Example | null }} Change */

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));

export class Editor {
  /** @type {Map<HTMLTableRowElement, State>} */
  #states = new Map();
  /** @type {Change[][]} */
  #done = [];
  /** @type {Change[][]} */
  #undone = [];
  #isSaving = false;

  /** @param {HTMLTableElement} table */
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.isFixed = table.getAttribute("aria-readonly") === "true";
    for (const row of this.body.rows) {
      const saved = JSON.parse(row.dataset.source ?? "{}");
      this.#states.set(row, { saved, now: saved });
    }
    const first = this.body.querySelector("td[role=gridcell]");
    if (first instanceof HTMLElement) first.tabIndex = 0;
    table.addEventListener("keydown", (event) => this.#key(event));
    table.addEventListener("dblclick", (event) => this.edit(this.#cell(event.target)));
    table.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (target.closest("[data-drop]")) this.toggle(target.closest("tr"));
      else this.#focus(this.#cell(target));
    });
    table.addEventListener("paste", (event) => this.#paste(event));
  }

  /** @param {EventTarget | null} target */
  #cell(target) {
    const cell = target instanceof Element ? target.closest("td[role=gridcell]") : null;
    return cell instanceof HTMLTableCellElement ? cell : null;
  }

  get #heads() {
    return /** @type {HTMLElement[]} */ ([...this.table.querySelectorAll("th[data-field]")]);
  }

  get #shown() {
    const fields = this.#heads.map((head) => head.dataset.field ?? "");
    return new Set(
      fields.filter((name) => name.startsWith("inputs.")).map((name) => name.slice(7)),
    );
  }

  get #rows() {
    return [...this.body.rows].filter((row) => !row.hidden);
  }

  /** @param {HTMLTableCellElement | null | undefined} cell */
  #focus(cell) {
    if (!cell || cell.querySelector("textarea")) return;
    for (const other of this.body.querySelectorAll("td[tabindex='0']")) {
      /** @type {HTMLElement} */ (other).tabIndex = -1;
    }
    cell.tabIndex = 0;
    cell.focus();
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /**
   * @param {HTMLTableCellElement} cell
   * @param {number} down
   * @param {number} right
   */
  #move(cell, down, right) {
    const rows = this.#rows;
    const at = rows.indexOf(/** @type {HTMLTableRowElement} */ (cell.parentElement));
    const row = rows[Math.min(Math.max(at + down, 0), rows.length - 1)];
    const index = Math.min(Math.max(cell.cellIndex + right, 1), this.#heads.length);
    this.#focus(row?.cells[index]);
  }

  /** @param {HTMLTableCellElement} cell */
  #place(cell) {
    const row = /** @type {HTMLTableRowElement} */ (cell.parentElement);
    const head = this.#heads[cell.cellIndex - 1];
    return { row, head, field: head.dataset.field ?? "" };
  }

  /**
   * The example of a cell's row after a text was put into the cell.
   * @param {Example} example
   * @param {HTMLElement} head
   * @param {string} text
   */
  #typed(example, head, text) {
    const field = head.dataset.field ?? "";
    const old = valueOf(example, field, this.#shown);
    const isJson = old === undefined ? "json" in head.dataset : typeof old !== "string";
    return withValue(example, field, readText(text, field, isJson), this.#shown);
  }

  /**
   * Make changes that one undo takes back.
   * @param {Change[]} changes
   */
  #apply(changes) {
    const real = changes.filter((c) => JSON.stringify(c.before) !== JSON.stringify(c.after));
    if (!real.length) return;
    this.#done.push(real);
    this.#undone = [];
    for (const change of real) this.#render(change.row, change.after);
    this.#tell();
  }

  /** @param {boolean} back */
  #undo(back) {
    const [from, to] = back ? [this.#done, this.#undone] : [this.#undone, this.#done];
    const changes = from.pop();
    if (!changes) return;
    to.push(changes);
    for (const change of back ? [...changes].reverse() : changes) {
      this.#render(change.row, back ? change.before : change.after);
    }
    this.#tell();
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {Example | null} now
   */
  #render(row, now) {
    const state = /** @type {State} */ (this.#states.get(row));
    state.now = now;
    row.hidden = !now && !state.saved;
    row.toggleAttribute("data-removed", !now && Boolean(state.saved));
    row.toggleAttribute("data-added", !state.saved);
    const shown = this.#shown;
    const example = now ?? state.saved;
    this.#heads.forEach((head, index) => {
      const field = head.dataset.field ?? "";
      const value = example ? valueOf(example, field, shown) : undefined;
      const before = state.saved ? valueOf(state.saved, field, shown) : undefined;
      const cell = row.cells[index + 1];
      cell.textContent = cell.title = lineOf(value, field);
      cell.toggleAttribute("data-changed", JSON.stringify(value) !== JSON.stringify(before));
    });
  }

  /** @param {Element | null} row */
  toggle(row) {
    if (!(row instanceof HTMLTableRowElement) || this.isFixed) return;
    const { saved, now } = /** @type {State} */ (this.#states.get(row));
    this.#apply([{ row, before: now, after: now ? null : saved }]);
  }

  /** @returns {Change} */
  #newRow() {
    const drop = html("button", {
      class: "btn ghost ic xs",
      type: "button",
      "data-drop": true,
      "aria-label": "Remove",
    });
    drop.append(icon("trash-2"));
    const row = html(
      "tr",
      { "data-added": true },
      html("th", { scope: "row", class: "num" }, "new"),
    );
    for (const _ of this.#heads) row.append(html("td", { role: "gridcell", tabindex: -1 }));
    row.append(html("td", { class: "acts" }, drop));
    this.body.append(row);
    this.#states.set(row, { saved: null, now: null });
    return { row, before: null, after: { inputs: {} } };
  }

  add() {
    if (this.isFixed) return;
    const change = this.#newRow();
    this.#apply([change]);
    this.#focus(change.row.cells[1]);
  }

  /** @param {string} name */
  addColumn(name) {
    const field = `inputs.${name}`;
    if (this.#heads.some((head) => head.dataset.field === field)) return;
    const inputs = this.#heads.filter((head) => head.dataset.field?.startsWith("inputs."));
    const at = inputs.length + 1;
    const head = html("th", { scope: "col", "data-field": field, class: "input" }, name);
    this.table.tHead?.rows[0].insertBefore(head, this.table.tHead.rows[0].cells[at]);
    this.table
      .querySelector("colgroup")
      ?.insertBefore(html("col"), this.table.querySelectorAll("col")[at]);
    for (const [row, state] of this.#states) {
      row.insertBefore(html("td", { role: "gridcell", tabindex: -1 }), row.cells[at]);
      this.#render(row, state.now);
    }
    this.#focus(this.#rows[0]?.cells[at]);
  }

  /**
   * @param {HTMLTableCellElement | null} cell
   * @param {string} [begin] what was typed to begin
   */
  edit(cell, begin) {
    if (!cell || this.isFixed || cell.querySelector("textarea")) return;
    const { row, head, field } = this.#place(cell);
    const now = this.#states.get(row)?.now;
    if (!now) return;
    const field_ = html("textarea", { class: "in cell-edit", "aria-label": head.textContent });
    field_.value = begin ?? textOf(valueOf(now, field, this.#shown), field);
    field_.rows = Math.min(12, Math.max(2, Math.ceil(field_.value.length / 46)));
    let isOver = false;
    /** @param {boolean} keep */
    const close = (keep) => {
      if (isOver) return true;
      try {
        const after = keep ? this.#typed(now, head, field_.value) : now;
        isOver = true;
        this.#render(row, now);
        this.#apply([{ row, before: now, after }]);
      } catch (error) {
        field_.setAttribute("aria-invalid", "true");
        toast(/** @type {Error} */ (error).message);
        return false;
      }
      return true;
    };
    field_.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") close(false);
      else if (event.key === "Enter" && !event.shiftKey) {
        if (close(true)) this.#move(cell, 1, 0);
      } else if (event.key === "Tab") {
        if (close(true)) this.#move(cell, 0, event.shiftKey ? -1 : 1);
      } else return;
      event.preventDefault();
      if (event.key === "Escape") this.#focus(cell);
    });
    field_.addEventListener("blur", () => close(true) || field_.focus());
    cell.replaceChildren(field_);
    field_.focus();
    if (begin === undefined) field_.select();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const cell = this.#cell(event.target);
    if (!cell || event.defaultPrevented) return;
    const [down, right] =
      { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ??
      [];
    const hasCommand = event.ctrlKey || event.metaKey;
    if (hasCommand && event.key === "Backspace") this.toggle(cell.parentElement);
    else if (hasCommand || event.altKey) return;
    else if (down !== undefined) this.#move(cell, down, right);
    else if (event.key === "Enter" || event.key === "F2") this.edit(cell);
    else if (event.key === "Delete" || event.key === "Backspace") this.#fill(cell, [[""]]);
    else if (!this.isFixed && event.key.length === 1 && event.key !== " ") {
      this.edit(cell, event.key);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // what is typed into a cell is no key of the page
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const cell = this.#cell(event.target);
    const text = event.clipboardData?.getData("text/plain");
    if (!cell || !text || event.target instanceof HTMLTextAreaElement) return;
    event.preventDefault();
    this.#fill(cell, readRows(text));
  }

  /**
   * Put texts into the cells from one on, with new rows where there are too few.
   * @param {HTMLTableCellElement} cell
   * @param {string[][]} texts
   */
  #fill(cell, texts) {
    if (this.isFixed) return;
    const heads = this.#heads.slice(cell.cellIndex - 1);
    const rows = this.#rows;
    const start = rows.indexOf(/** @type {HTMLTableRowElement} */ (cell.parentElement));
    /** @type {Change[]} */
    const changes = [];
    try {
      texts.forEach((cells, index) => {
        const row = rows[start + index];
        const before = row ? (this.#states.get(row)?.now ?? null) : null;
        if (row && !before) return;
        let after = before ?? { inputs: {} };
        cells.slice(0, heads.length).forEach((text, at) => {
          after = this.#typed(after, heads[at], text);
        });
        changes.push({ row: row ?? this.#newRow().row, before, after });
      });
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
      for (const change of changes) if (!change.before) this.#render(change.row, null);
      return;
    }
    this.#apply(changes);
    this.#focus(cell);
  }

  /** What a save sends. */
  get edits() {
    const [put, add, remove] = [[], [], []].map((list) => /** @type {unknown[]} */ (list));
    for (const { saved, now } of this.#states.values()) {
      if (saved && !now) remove.push(saved.id);
      else if (saved && JSON.stringify(now) !== JSON.stringify(saved)) put.push(now);
      else if (!saved && now && JSON.stringify(now) !== '{"inputs":{}}') add.push(now);
    }
    return { put, add, remove };
  }

  #tell() {
    const { put, add, remove } = this.edits;
    const words = [
      put.length && `${put.length} changed`,
      add.length && `${add.length} new`,
      remove.length && `${remove.length} removed`,
    ].filter(Boolean);
    const button = one("[data-save]");
    if (button instanceof HTMLButtonElement) button.disabled = !words.length;
    const [note, summary] = [one("#edits"), one("[data-summary]")];
    if (note) note.textContent = words.length ? `${words.join(", ")}, not saved` : "";
    if (summary) summary.textContent = words.join(", ");
  }

  /** @param {HTMLFormElement} form */
  async save(form) {
    if (this.#isSaving) return;
    this.isFixed = this.#isSaving = true; // what is typed meanwhile would be lost
    const { dataset, number } = this.table.dataset;
    const said = new FormData(form);
    const request = {
      ...this.edits,
      base: Number(number),
      message: said.get("message"),
      author: said.get("author") || null,
      source: "page",
    };
    const path = `/api/v1/datasets/${encodeURIComponent(dataset ?? "")}/versions`;
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(request),
    }).catch(() => null);
    if (!answer?.ok) {
      this.isFixed = this.#isSaving = false;
      const problem = await answer?.json().catch(() => null);
      toast(problem?.detail ?? "It could not be saved: the server does not answer.");
      return;
    }
    this.#states.clear();
    const here = new URL(location.href);
    here.searchParams.delete("version");
    location.assign(here);
  }

  /** @param {KeyboardEvent} event */
  command(event) {
    const key = event.key.toLowerCase();
    const button = one("[data-save]");
    if (key === "s") button?.click();
    else if (key === "enter") this.add();
    else if (key === "z") this.#undo(!event.shiftKey);
    else if (key === "y") this.#undo(false);
    else return false;
    return true;
  }
}
