// @ts-check
// <pl-waterfall>: a trace's spans as a tree with bars. Only the rows in view exist.

import { Tree, hasChanged, loadColumns, mayGrow } from "./columns.js";
import { flag, html } from "./dom.js";
import { formatDuration, plural } from "./format.js";
import { openSpan } from "./span-panel.js";
import { SpanSearch } from "./span-search.js";
import { TimeAxis } from "./time-axis.js";
import { Row, skeletonRows } from "./waterfall-row.js";
import { attachZoom } from "./waterfall-zoom.js";

const FOLD_ABOVE = 300;
const FOLD_BELOW_DEPTH = 2;
const OVERSCAN = 8;
const AXIS = 22;
const LIVE_MS = 2000;

export class Waterfall extends HTMLElement {
  /** @type {Tree | null} */
  tree = null;
  axis = new TimeAxis(1);
  /** @type {Set<string>} ids of folded spans */
  #folded = new Set();
  /** @type {number[]} rows that no fold hides, in order */
  #shown = [];
  /** @type {Row[]} */
  #pool = [];
  #selected = "";
  #search = new SpanSearch();
  #frame = 0;
  #rowHeight = 24;
  #timer = 0;

  connectedCallback() {
    this.#selected = this.getAttribute("selected") ?? "";
    this.scroller = this.#part("[data-tree]");
    this.rows = this.#part("[data-rows]");
    this.ticks = this.#part("[data-ticks]");
    this.scroller.addEventListener("scroll", () => this.schedule(), {
      passive: true,
    });
    this.scroller.addEventListener("click", (event) => this.#click(event));
    this.scroller.addEventListener("keydown", (event) => this.#walk(event));
    this.addEventListener("keydown", (event) => this.#findKeys(event));
    this.#listen();
    attachZoom(this, this.rows);
    this.resize = new ResizeObserver(() => this.schedule());
    this.resize.observe(this.scroller);
    this.load();
  }

  disconnectedCallback() {
    this.resize?.disconnect();
    clearTimeout(this.#timer);
  }

  /** Fetch the columns, and again every two seconds while there may be more of them. */
  async load(fresh = false) {
    const waiting = setTimeout(() => this.rows?.replaceChildren(...skeletonRows()), 150);
    try {
      const columns = await loadColumns(this.getAttribute("src") ?? "", {
        fresh,
      });
      const before = this.tree?.columns;
      const isFirst = before === undefined;
      this.tree = new Tree(columns);
      this.axis.extend(columns.duration_ns);
      if (isFirst) this.#foldAtFirst();
      this.#refresh();
      if (isFirst || this.#search.isOn) this.#showMatches(this.tree);
      if (isFirst) this.#reveal(this.tree.rowOf.get(this.#selected) ?? 0);
      this.#summarise();
      if (before && hasChanged(before, columns)) document.dispatchEvent(new Event("pl-changed"));
      if (mayGrow(columns)) this.#loadLater();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.rows?.replaceChildren(
        html(
          "p",
          { class: "wf-note" },
          `The spans could not be loaded: ${reason}. Reload the page.`,
        ),
      );
    } finally {
      clearTimeout(waiting);
    }
  }

  #loadLater() {
    this.#timer = setTimeout(() => {
      if (document.hidden) this.#loadLater();
      else this.load(true);
    }, LIVE_MS);
  }

  /** @param {string} selector */
  #part(selector) {
    const part = this.querySelector(selector);
    if (!(part instanceof HTMLElement)) throw new Error(`pl-waterfall lacks ${selector}`);
    return part;
  }

  #listen() {
    this.#part("[data-critical]").addEventListener("change", () => this.#markPath());
    this.#part("[data-next-error]").addEventListener("click", () => this.nextError());
    this.#part("[data-fold-all]").addEventListener("click", () => this.#foldAll());
    this.#part("[data-find]").addEventListener("input", (event) => {
      this.#search.start(/** @type {HTMLInputElement} */ (event.target).value, this.tree);
      this.#find(0);
    });
    document.addEventListener("pl-select", (event) => {
      const { span, from } = /** @type {CustomEvent} */ (event).detail;
      if (from === this) return;
      if (!this.tree) this.#selected = span;
      const row = this.tree?.rowOf.get(span);
      if (row !== undefined) this.select(row, { open: false });
    });
    this.#markPath();
  }

  #markPath() {
    const box = /** @type {HTMLInputElement} */ (this.#part("[data-critical]"));
    if (this.scroller) flag(this.scroller, "data-critical-on", box.checked);
  }

  /**
   * Mark what is sought in these rows: what was typed, even before they came, or searched for.
   * @param {Tree} tree
   */
  #showMatches(tree) {
    const { value } = /** @type {HTMLInputElement} */ (this.#part("[data-find]"));
    if (value) this.#search.start(value, tree);
    else this.#search.preset(this.getAttribute("matches")?.split(" ") ?? [], tree);
    if (!this.#search.isOn || !this.scroller) return;
    flag(this.scroller, "data-finding", true);
    const { label } = this.#search.go(0, tree.rowOf.get(this.#selected) ?? 0);
    this.#part("[data-found]").textContent = label;
  }

  #summarise() {
    if (!this.tree) return;
    const { errors, pathNs } = this.tree;
    this.#part("[data-critical-time]").textContent = formatDuration(pathNs);
    this.#part("[data-error-count]").textContent = plural(errors.length, "error");
    flag(this.#part("[data-next-error]"), "hidden", errors.length === 0);
    const count = this.querySelector(".wf-axis > span");
    if (count) count.textContent = plural(this.tree.size, "span");
  }

  #foldAtFirst() {
    const { tree } = this;
    if (tree && tree.size > FOLD_ABOVE) this.#folded = tree.branches(FOLD_BELOW_DEPTH);
  }

  /** Work out the rows that no fold hides, and draw. */
  #refresh() {
    const { tree } = this;
    if (!tree || !this.rows || !this.ticks) return;
    this.#shown = [];
    for (let row = 0; row < tree.size;) {
      this.#shown.push(row);
      row = this.#folded.has(tree.columns.span_ids[row]) ? tree.ends[row] : row + 1;
    }
    this.#rowHeight = parseFloat(getComputedStyle(this).getPropertyValue("--span-row")) || 24;
    this.rows.style.height = `${this.#shown.length * this.#rowHeight}px`;
    this.schedule();
  }

  /** Draw with the next frame. */
  schedule() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { tree, scroller, rows, ticks } = this;
    if (!tree || !scroller || !rows || !ticks || scroller.hidden) return;
    this.axis.draw(ticks, rows);
    flag(scroller, "data-zoomed", this.axis.isZoomed);
    const height = this.#rowHeight;
    const first = Math.max(Math.floor(scroller.scrollTop / height) - OVERSCAN, 0);
    const visible = Math.ceil(scroller.clientHeight / height) + 2 * OVERSCAN;
    const window = this.#shown.slice(first, first + visible);
    const active = document.activeElement;
    const isActive = active === scroller || rows.contains(active); // a view that goes loses it
    const views = this.#assign(window, rows);
    window.forEach((row, index) => {
      const id = tree.columns.span_ids[row];
      const state = {
        selected: id === this.#selected,
        folded: this.#folded.has(id),
        match: this.#search.matches(row),
        top: (first + index) * height,
      };
      views[index].fill(tree, row, state, this.axis);
    });
    this.#keepFocus(scroller, isActive);
  }

  /**
   * Give every row of the window a view: its own where it has one, so that little is drawn anew.
   * @param {number[]} window
   * @param {HTMLElement} rows
   */
  #assign(window, rows) {
    if (!this.#pool.length) rows.replaceChildren();
    const wanted = new Set(window);
    const held = new Map(this.#pool.map((view) => [view.row, view]));
    const free = this.#pool.filter((view) => !wanted.has(view.row));
    const views = window.map((row) => held.get(row) ?? free.pop() ?? new Row());
    for (const view of free) view.node.remove();
    views.forEach((view, index) => {
      if (rows.children[index] !== view.node) rows.insertBefore(view.node, rows.children[index]);
    });
    this.#pool = views;
    return views;
  }

  /**
   * One row can be tabbed to, the selected one; out of the window, the tree stands in for it.
   * @param {HTMLElement} scroller
   * @param {boolean} isActive whether the focus was in the tree
   */
  #keepFocus(scroller, isActive) {
    const current = this.#pool.find(({ node }) => node.getAttribute("aria-selected") === "true");
    scroller.tabIndex = current ? -1 : 0;
    if (isActive) (current?.node ?? scroller).focus({ preventScroll: true });
  }

  /** @param {number} row */
  #unfoldTo(row) {
    const { tree } = this;
    if (!tree) return;
    let changed = false;
    for (let at = tree.columns.parents[row]; at >= 0; at = tree.columns.parents[at]) {
      changed = this.#folded.delete(tree.columns.span_ids[at]) || changed;
    }
    if (changed) this.#refresh();
  }

  /** @param {number} row */
  #reveal(row) {
    this.#unfoldTo(row);
    const { scroller } = this;
    const index = this.#shown.indexOf(row);
    if (!scroller || index < 0) return;
    const top = index * this.#rowHeight;
    const view = scroller.clientHeight - AXIS;
    if (top < scroller.scrollTop) scroller.scrollTop = Math.max(top - this.#rowHeight, 0);
    else if (top + this.#rowHeight * 2 > scroller.scrollTop + view) {
      const far = top > scroller.scrollTop + view * 1.5;
      scroller.scrollTop = far ? top - view / 2 : top + this.#rowHeight * 2 - view;
    }
    this.schedule();
  }

  /**
   * Select a span; `open` also shows it in the panel and the address.
   * @param {number} row
   * @param {{ open?: boolean }} [options]
   */
  select(row, { open = true } = {}) {
    const id = this.tree?.columns.span_ids[row];
    if (id === undefined) return;
    this.#selected = id;
    this.#reveal(row);
    if (open) openSpan(id, { from: this });
  }

  nextError() {
    const { tree } = this;
    if (!tree?.errors.length) return;
    const current = tree.rowOf.get(this.#selected) ?? -1;
    this.select(tree.errors.find((row) => row > current) ?? tree.errors[0]);
  }

  /**
   * @param {number} row
   * @param {boolean} fold
   */
  #fold(row, fold) {
    const id = this.tree?.columns.span_ids[row];
    if (!this.tree || id === undefined || !this.tree.hasChildren(row)) return;
    if (fold) this.#folded.add(id);
    else this.#folded.delete(id);
    const selected = this.tree.rowOf.get(this.#selected);
    if (fold && selected !== undefined && selected > row && selected < this.tree.ends[row]) {
      this.select(row);
    }
    this.#refresh();
  }

  #foldAll() {
    const { tree } = this;
    if (!tree) return;
    this.#folded = this.#folded.size ? new Set() : tree.branches(1);
    this.#refresh();
    this.#reveal(tree.rowOf.get(this.#selected) ?? 0);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {Element} */ (event.target);
    const node = target.closest(".wf-row");
    if (!(node instanceof HTMLElement) || node.dataset.row === undefined) return;
    const row = Number(node.dataset.row);
    if (target.closest(".tw")) this.#fold(row, node.getAttribute("aria-expanded") === "true");
    else this.select(row);
    node.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const { tree } = this;
    if (!tree || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = tree.rowOf.get(this.#selected) ?? 0;
    const at = Math.max(this.#shown.indexOf(row), 0);
    const page = Math.max(Math.floor((this.scroller?.clientHeight ?? 0) / this.#rowHeight) - 2, 1);
    const open = tree.hasChildren(row) && !this.#folded.has(tree.columns.span_ids[row]);
    /** @type {Record<string, () => void>} */
    const moves = {
      ArrowDown: () => this.#go(at + 1),
      ArrowUp: () => this.#go(at - 1),
      PageDown: () => this.#go(at + page),
      PageUp: () => this.#go(at - page),
      Home: () => this.#go(0),
      End: () => this.#go(this.#shown.length - 1),
      ArrowRight: () => (open ? this.#go(at + 1) : this.#fold(row, false)),
      ArrowLeft: () =>
        open ? this.#fold(row, true) : this.select(Math.max(tree.columns.parents[row], 0)),
      Enter: () => document.getElementById("span-body")?.focus(),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  /** @param {number} index */
  #go(index) {
    const row = this.#shown[Math.min(Math.max(index, 0), this.#shown.length - 1)];
    if (row !== undefined) this.select(row);
  }

  /**
   * Mark what matches and go to a match: the next (1), the one before (-1), or this or the next (0).
   * @param {-1 | 0 | 1} step
   */
  #find(step) {
    const { tree } = this;
    if (!tree || !this.scroller) return;
    flag(this.scroller, "data-finding", this.#search.isOn);
    const { row, label } = this.#search.go(step, tree.rowOf.get(this.#selected) ?? 0);
    this.#part("[data-found]").textContent = label;
    if (row !== undefined) this.select(row);
    this.schedule();
  }

  /** @param {KeyboardEvent} event */
  #findKeys(event) {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || !field.matches("[data-find]")) return;
    if (event.key === "Enter") this.#find(event.shiftKey ? -1 : 1);
    if (event.key !== "Escape") return;
    field.value = "";
    this.#search.start("", this.tree);
    this.#find(0);
    this.scroller?.focus();
  }

  /**
   * Answer a single key pressed anywhere on the page.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was taken
   */
  pressed(event) {
    if (event.key.startsWith("Arrow") && event.target === document.body) {
      this.scroller?.focus({ preventScroll: true });
      this.#walk(event);
      return true;
    }
    const zoom = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (event.key === "e") this.nextError();
    else if (event.key === "f") this.#part("[data-find]").focus();
    else if (zoom) this.axis.zoom(zoom);
    else if (event.key === "0") this.axis.fit();
    else return false;
    event.preventDefault();
    this.schedule();
    return true;
  }
}

customElements.define("pl-waterfall", Waterfall);
