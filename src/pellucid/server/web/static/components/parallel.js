// @ts-check
// <pl-parallel>: many runs as lines over what was set and what came out. They come from `src`, and
// a brush on an axis becomes terms of the query; or from the rows of the table that `for` names,
// and a brush hides rows and stands in the address. A click opens the line that is nearest.

import { html } from "./dom.js";
import {
  brushTerms,
  fanOf,
  holds,
  placeOf,
  readBrush,
  reading,
  replaceField,
  ticksOf,
  toBox,
} from "./parallel-axis.js";
import { readRun, readTable } from "./parallel-lines.js";
import { selectRow } from "./table.js";

/** @typedef {import("./parallel-axis.js").Axis} Axis */
/** @typedef {import("./parallel-axis.js").Brush} Brush */
/** @typedef {import("./parallel-lines.js").Line} Line */

const TOP = 24;
const BOTTOM = 14;
const LEAST_WIDTH = 96;
const NEAR = 7;
const STEP = 0.05;

class Parallel extends HTMLElement {
  /** @type {Axis[]} */
  #axes = [];
  /** @type {Line[]} */
  #lines = [];
  /** @type {(Brush | null)[]} */
  #brushes = [];
  #goal = { axis: 0, sign: 1 };
  /** @type {Map<Line, number>} from 0, the worst, to 1 */
  #ranks = new Map();
  /** @type {Line | null} */
  #under = null;
  /** @type {HTMLElement[]} */
  #nodes = [];
  #isOfTable = false;
  /** Whether a brush was moved since the query was answered. */
  #isChanged = false;
  #canvas = html("canvas", { "aria-hidden": "true" });
  #tip = html("div", { class: "pop par-tip", hidden: true });
  #note = html("p", { class: "xs dim par-note", role: "status" });

  connectedCallback() {
    const table = document.getElementById(this.getAttribute("for") ?? "");
    if (table instanceof HTMLTableElement) this.#take(table);
    else this.#load();
    new ResizeObserver(() => this.#layout()).observe(this);
    const draw = () => this.#draw(); // in the other theme's ink
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    new MutationObserver(draw).observe(document.documentElement, {
      attributeFilter: ["data-theme"],
    });
    this.addEventListener("pointermove", (event) => this.#hover(event));
    this.addEventListener("pointerleave", () => this.#highlight(null));
    this.addEventListener("click", (event) => {
      const line = this.#under;
      if (/** @type {Element} */ (event.target).closest(".par-axis") || !line) return;
      if (line.row) selectRow(line.row);
      else location.assign(line.href);
    });
  }

  /** @param {HTMLTableElement} table */
  #take(table) {
    const told = readTable(table);
    if (told.axes.length < 2 || told.lines.length < 2) return;
    this.#isOfTable = true;
    this.after(this.#note);
    const held = new URL(location.href).searchParams.get("brush") ?? "";
    const brushes = new Map(held.split(",").map((one) => [one.split(":")[0], one.split(":")]));
    this.#show(told, (axis) => {
      const [, low, high] = (brushes.get(encodeURIComponent(axis.id)) ?? []).map(Number);
      return high > low ? [low, high] : null;
    });
    table.addEventListener("pointerover", (event) => {
      const row = /** @type {Element} */ (event.target).closest("tr");
      this.#highlight(this.#lines.find((line) => line.row === row) ?? null);
    });
    table.addEventListener("pointerleave", () => this.#highlight(null));
  }

  async #load() {
    const answer = await fetch(this.getAttribute("src") ?? "").catch(() => null);
    const told = answer?.ok ? await answer.json() : null;
    const why = !told
      ? "The lines could not be loaded. Reload the page."
      : !told.lines.length
        ? "No run that matches has this value."
        : "These runs do not differ in any param. Log what you change: start_run(params={…})";
    if (!told || told.axes.length < 2) {
      this.replaceChildren(html("p", { class: "dim sm" }, why));
      return;
    }
    const query = new URL(location.href).searchParams.get("query") ?? "";
    const goal = { axis: told.axes.length - 1, sign: this.dataset.goal === "min" ? -1 : 1 };
    this.#show({ axes: told.axes, lines: told.lines.map(readRun), goal }, (axis) =>
      readBrush(axis, query),
    );
  }

  /**
   * @param {{ axes: Axis[], lines: Line[], goal: { axis: number, sign: number } }} told
   * @param {(axis: Axis) => Brush | null} brushOf
   */
  #show({ axes, lines, goal }, brushOf) {
    this.#axes = axes;
    this.#lines = lines;
    this.#goal = goal;
    this.#brushes = axes.map(brushOf);
    const worth = (/** @type {Line} */ line) => goal.sign * (line.places[goal.axis] ?? 0);
    const sorted = [...lines].sort((a, b) => worth(a) - worth(b));
    const most = Math.max(sorted.length - 1, 1);
    this.#ranks = new Map(sorted.map((line, index) => [line, index / most]));
    this.#nodes = axes.map((axis, index) => this.#axis(axis, index));
    this.replaceChildren(
      this.#canvas,
      html("div", { class: "par-axes" }, ...this.#nodes),
      this.#tip,
    );
    this.#layout();
    this.#apply();
  }

  /**
   * @param {Axis} axis
   * @param {number} index
   */
  #axis(axis, index) {
    const node = html(
      "div",
      {
        class: "par-axis",
        tabindex: 0,
        role: "slider",
        "aria-label": `${axis.label}: drag, or the arrows and Enter, to choose a stretch`,
        "aria-valuenow": 0,
        "data-goal": index === this.#goal.axis,
        title: axis.label,
      },
      html("span", { class: "par-name" }, axis.label),
      ...ticksOf(axis).map(({ at, text }) => {
        const tick = html("span", { class: "par-tick" }, text);
        tick.style.bottom = `${toBox(axis, at) * 100}%`;
        return tick;
      }),
      html("i", { class: "par-brush", hidden: true }),
    );
    node.addEventListener("pointerdown", (event) => this.#drag(event, node, index));
    node.addEventListener("keydown", (event) => this.#key(event, index));
    return node;
  }

  /** @param {number} index */
  #x(index) {
    return 24 + ((this.#width() - 48) * index) / (this.#axes.length - 1);
  }

  #width() {
    return Math.max(this.clientWidth, LEAST_WIDTH * this.#axes.length);
  }

  /**
   * @param {Line} line
   * @param {number} index
   */
  #y(line, index) {
    const [axis, place] = [this.#axes[index], line.places[index]];
    if (place === null) return null;
    // Lines of one value stand side by side, the better ones above.
    const at = toBox(axis, place) + ((this.#ranks.get(line) ?? 0.5) - 0.5) * fanOf(axis);
    return TOP + (this.clientHeight - TOP - BOTTOM) * (1 - at);
  }

  #layout() {
    const axes = /** @type {HTMLElement | null} */ (this.querySelector(".par-axes"));
    if (!axes) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [this.#width(), this.clientHeight];
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    this.#canvas.style.width = axes.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    axes.style.setProperty("--w", `${this.#x(1) - this.#x(0) - 8}px`);
    this.#nodes.forEach((node, index) => (node.style.left = `${this.#x(index)}px`));
    this.#draw();
  }

  #draw() {
    const pen = this.#canvas.getContext("2d");
    if (!pen || !this.#canvas.isConnected) return;
    const scale = devicePixelRatio || 1;
    const { color: ink, accentColor } = getComputedStyle(this);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.#width(), this.clientHeight);
    pen.lineJoin = "round";
    const most = Math.min(0.75, 40 / Math.max(this.#lines.length, 1) + 0.12);
    const least = this.#lines.length < 40 ? 0.4 : 0.12;
    /** @type {Line | null} */
    let best = null;
    for (const [line, rank] of this.#ranks) {
      const isIn = this.#isIn(line);
      if (isIn) best = line;
      // The better a run, the darker its line: where good ones go through is seen at once.
      pen.globalAlpha = most * (least + (1 - least) * rank ** 3) * (isIn ? 1 : least / 2);
      this.#stroke(pen, line, ink, 1);
    }
    pen.globalAlpha = 1;
    if (best) this.#stroke(pen, best, ink, 2.5);
    if (this.#under) this.#stroke(pen, this.#under, accentColor, 2.5);
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Line} line
   * @param {string} colour
   * @param {number} width
   */
  #stroke(pen, line, colour, width) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    let isDown = false;
    line.places.forEach((_, index) => {
      const y = this.#y(line, index);
      if (y !== null) pen[isDown ? "lineTo" : "moveTo"](this.#x(index), y);
      isDown = y !== null;
    });
    pen.stroke();
  }

  /** @param {Line} line */
  #isIn(line) {
    if (!this.#isOfTable && !this.#isChanged) return line.matches;
    return this.#brushes.every((brush, index) => !brush || holds(brush, line.places[index]));
  }

  /**
   * @param {PointerEvent} event
   * @param {HTMLElement} node
   * @param {number} index
   */
  #drag(event, node, index) {
    if (event.button) return;
    event.preventDefault();
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    const before = this.#brushes[index];
    const from = placeOf(this.#axes[index], node, event.clientY);
    /** @param {PointerEvent} moved @returns {Brush | null} */
    const brush = (moved) => {
      const to = placeOf(this.#axes[index], node, moved.clientY);
      return Math.abs(to - from) < 0.02 ? null : [Math.min(from, to), Math.max(from, to)];
    };
    /** @param {PointerEvent} moved */
    const move = (moved) => this.#set(index, brush(moved));
    /** @param {PointerEvent} ended */
    const stop = (ended) => {
      node.removeEventListener("pointermove", move);
      if (ended.type === "pointercancel") this.#set(index, before);
      else this.#finish(index, brush(ended));
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", stop, { once: true });
    node.addEventListener("pointercancel", stop, { once: true });
  }

  /**
   * Up and Down move the lower end of the brush, with Shift the upper one.
   * @param {KeyboardEvent} event
   * @param {number} index
   */
  #key(event, index) {
    const step = { ArrowUp: STEP, ArrowDown: -STEP }[event.key];
    const brush = this.#brushes[index];
    const [low, high] = brush ?? [0, 1];
    if (step) {
      const from = event.shiftKey ? low : Math.max(0, Math.min(low + step, high - STEP));
      const to = event.shiftKey ? Math.min(1, Math.max(high + step, low + STEP)) : high;
      this.#set(index, from <= 0 && to >= 1 ? null : [from, to]);
      if (this.#isOfTable) this.#remember();
    } else if (event.key === "Enter") {
      this.#finish(index, this.#isChanged && brush ? brush : [0.5, 1.5]);
    } else if (event.key === "Escape" || event.key === "Backspace") this.#finish(index, null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * @param {number} index
   * @param {Brush | null} brush
   */
  #set(index, brush) {
    this.#brushes[index] = brush;
    this.#isChanged = true;
    this.#apply();
  }

  /**
   * Keep the brush: in the address, or by asking for the runs that it holds.
   * @param {number} index
   * @param {Brush | null} brush
   */
  #finish(index, brush) {
    this.#set(index, brush);
    if (this.#isOfTable) return this.#remember();
    const axis = this.#axes[index];
    const address = new URL(location.href);
    const held = address.searchParams.get("query") ?? "";
    const query = replaceField(held, axis.field, brush ? brushTerms(axis, ...brush) : []);
    if (query) address.searchParams.set("query", query);
    else address.searchParams.delete("query");
    address.searchParams.delete("cursor");
    if (address.href !== location.href) location.assign(address);
  }

  #remember() {
    const held = this.#axes.flatMap(({ id }, index) => {
      const ends = this.#brushes[index]?.map((place) => place.toFixed(3));
      return ends ? [[encodeURIComponent(id), ...ends].join(":")] : [];
    });
    const url = new URL(location.href);
    if (held.length) url.searchParams.set("brush", held.join(","));
    else url.searchParams.delete("brush");
    history.replaceState(history.state, "", url);
  }

  /** Show where the brushes are, and only the rows that all of them hold. */
  #apply() {
    this.#nodes.forEach((node, index) => {
      const [axis, brush] = [this.#axes[index], this.#brushes[index]];
      const mark = /** @type {HTMLElement} */ (node.querySelector(".par-brush"));
      const ends = (brush ?? [0, 0]).map((place) => Math.min(1, Math.max(0, toBox(axis, place))));
      mark.hidden = !brush;
      mark.style.bottom = `${ends[0] * 100}%`;
      mark.style.height = `${(ends[1] - ends[0]) * 100}%`;
      const said = brush?.map((place) => reading(axis, place)).join(" to ");
      node.setAttribute("aria-valuetext", said ?? "all");
    });
    this.#draw();
    if (!this.#isOfTable) return;
    const held = this.#lines.filter((line) => this.#isIn(line));
    for (const line of this.#lines) if (line.row) line.row.hidden = !held.includes(line);
    this.#note.textContent = this.#brushes.some(Boolean)
      ? `${held.length} of ${this.#lines.length} rows; Escape on an axis shows all of it again`
      : `${held.length} rows; drag along an axis to keep only those that cross there`;
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (event.buttons || !this.#axes.length) return;
    const box = this.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left + this.scrollLeft, event.clientY - box.top];
    let [found, least] = [/** @type {Line | null} */ (null), NEAR];
    const right = this.#axes.findIndex((_, index) => this.#x(index) >= x);
    if (right > 0) {
      const share = (x - this.#x(right - 1)) / (this.#x(right) - this.#x(right - 1));
      for (const line of this.#lines) {
        const [a, b] = [this.#y(line, right - 1), this.#y(line, right)];
        if (a === null || b === null || !this.#isIn(line)) continue;
        const away = Math.abs(a + (b - a) * share - y);
        if (away < least) [found, least] = [line, away];
      }
    }
    this.#highlight(found, x, y);
  }

  /**
   * @param {Line | null} line
   * @param {number} [x]
   * @param {number} y
   */
  #highlight(line, x, y = 0) {
    if (line !== this.#under) {
      this.#under = line;
      this.style.cursor = line ? "pointer" : "";
      this.#draw();
    }
    this.#tip.hidden = !line || x === undefined;
    if (!line || x === undefined) return;
    const axis = this.#axes[this.#goal.axis];
    const place = line.places[this.#goal.axis];
    const came = place === null ? "" : ` ${axis.label} ${reading(axis, place)}`;
    this.#tip.textContent = line.name + came;
    this.#tip.style.left = `${Math.min(x + 12, this.#width() - this.#tip.offsetWidth - 4)}px`;
    this.#tip.style.top = `${Math.max(0, y - 28)}px`;
  }
}

customElements.define("pl-parallel", Parallel);
