// @ts-check
// <pl-parallel>: one line a run through its params to what came out. A brush on an axis becomes
// terms of the query, so that the table below shows the same runs; a click on a line opens its run.

import { html } from "./dom.js";
import { brushTerms, fanOf, placeOf, replaceField, ticksOf, toBox } from "./parallel-axis.js";

/** @typedef {import("./parallel-axis.js").Axis} Axis */
/** @typedef {[id: string, number: number | null, places: (number | null)[], matches: boolean]} Line */

const TOP = 24;
const BOTTOM = 14;
const LEAST_WIDTH = 96;
const NEAR = 7;

class Parallel extends HTMLElement {
  /** @type {Axis[]} */
  #axes = [];
  /** @type {Line[]} */
  #lines = [];
  /** @type {Map<Line, number>} from 0, the worst, to 1 */
  #ranks = new Map();
  /** @type {Line | null} */
  #best = null;
  /** @type {Line | null} */
  #under = null;
  /** @type {{ axis: number, from: number, to: number } | null} */
  #brush = null;
  #canvas = html("canvas", { "aria-hidden": "true" });
  #tip = html("div", { class: "pop par-tip", hidden: true });

  connectedCallback() {
    this.#load();
    new ResizeObserver(() => this.#layout()).observe(this);
    this.addEventListener("pointermove", (event) => this.#hover(event));
    this.addEventListener("pointerleave", () => this.#highlight(null));
    this.addEventListener("click", (event) => {
      if (/** @type {Element} */ (event.target).closest(".par-axis") || !this.#under) return;
      location.assign(`/runs/${this.#under[0]}`);
    });
  }

  async #load() {
    const answer = await fetch(this.getAttribute("src") ?? "").catch(() => null);
    if (!answer?.ok) {
      this.replaceChildren(
        html("p", { class: "dim sm" }, "The lines could not be loaded. Reload the page."),
      );
      return;
    }
    const told = await answer.json();
    this.#axes = told.axes;
    this.#lines = told.lines;
    if (this.#axes.length < 2) {
      const why = this.#lines.length
        ? "These runs do not differ in any param. Log what you change: start_run(params={…})"
        : "No run that matches has this value.";
      this.replaceChildren(html("p", { class: "dim sm" }, why));
      return;
    }
    this.#rank();
    const axes = html("div", { class: "par-axes" });
    axes.append(...this.#axes.map((axis, index) => this.#axis(axis, index)));
    this.replaceChildren(this.#canvas, axes, this.#tip);
    this.#layout();
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
        "aria-label": `${axis.label}: drag, or Enter to narrow to its upper half`,
        "aria-valuetext": "all",
        title: axis.label,
      },
      html("span", { class: "par-name" }, axis.label),
      ...ticksOf(axis).map(({ at, text }) => {
        const tick = html("span", { class: "par-tick" }, text);
        tick.style.bottom = `${toBox(axis, at) * 100}%`;
        return tick;
      }),
    );
    node.addEventListener("pointerdown", (event) => this.#start(event, node, index));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#narrow(index, 0.5, 1.5);
      else if (event.key === "Escape" || event.key === "Backspace") this.#narrow(index, 0, 0);
      else return;
      event.preventDefault();
    });
    return node;
  }

  /** @param {number} index */
  #x(index) {
    const inner = this.#width() - 48;
    return 24 + (inner * index) / (this.#axes.length - 1);
  }

  #width() {
    return Math.max(this.clientWidth, LEAST_WIDTH * this.#axes.length);
  }

  /**
   * @param {Line} line
   * @param {number} index
   */
  #y(line, index) {
    const [axis, place] = [this.#axes[index], line[2][index]];
    if (place === null) return null;
    // Lines of one value stand side by side, the better ones above.
    const at = toBox(axis, place) + ((this.#ranks.get(line) ?? 0.5) - 0.5) * fanOf(axis);
    return TOP + (this.clientHeight - TOP - BOTTOM) * (1 - at);
  }

  #rank() {
    const last = this.#axes.length - 1;
    const sign = this.dataset.goal === "min" ? -1 : 1;
    const sorted = [...this.#lines].sort((a, b) => sign * ((a[2][last] ?? 0) - (b[2][last] ?? 0)));
    const most = Math.max(sorted.length - 1, 1);
    this.#ranks = new Map(sorted.map((line, index) => [line, index / most]));
    this.#best = sorted.filter((line) => line[3]).at(-1) ?? null;
  }

  #layout() {
    if (!this.#canvas.isConnected) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [this.#width(), this.clientHeight];
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const axes = /** @type {HTMLElement} */ (this.querySelector(".par-axes"));
    axes.style.width = `${width}px`;
    for (const [index, node] of [...axes.children].entries()) {
      /** @type {HTMLElement} */ (node).style.left = `${this.#x(index)}px`;
    }
    this.#draw();
  }

  #draw() {
    const pen = this.#canvas.getContext("2d");
    if (!pen) return;
    const scale = devicePixelRatio || 1;
    const style = getComputedStyle(this);
    const ink = style.color;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, this.#width(), this.clientHeight);
    pen.lineJoin = "round";
    const best = this.#best;
    const most = Math.min(0.75, 40 / Math.max(this.#lines.length, 1) + 0.12);
    for (const [line, rank] of this.#ranks) {
      if (line === best || line === this.#under) continue;
      // The better a run, the darker its line: where good ones go through is seen at once.
      pen.globalAlpha = most * (0.12 + 0.88 * rank ** 3) * (this.#isBrushed(line) ? 1 : 0.12);
      this.#stroke(pen, line, ink, 1);
    }
    pen.globalAlpha = best && this.#isBrushed(best) ? 1 : 0.15;
    if (best) this.#stroke(pen, best, ink, 2.5);
    pen.globalAlpha = 1;
    if (this.#under) this.#stroke(pen, this.#under, style.accentColor, 2.5);
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
    line[2].forEach((_, index) => {
      const [x, y] = [this.#x(index), this.#y(line, index)];
      if (y === null) {
        isDown = false;
        return;
      }
      if (isDown) pen.lineTo(x, y);
      else pen.moveTo(x, y);
      isDown = true;
    });
    pen.stroke();
  }

  /** @param {Line} line */
  #isBrushed(line) {
    if (!this.#brush) return line[3];
    const place = line[2][this.#brush.axis];
    const [low, high] = [this.#brush.from, this.#brush.to].sort((a, b) => a - b);
    return place !== null && place >= low && place <= high;
  }

  /**
   * @param {PointerEvent} event
   * @param {HTMLElement} node
   * @param {number} index
   */
  #start(event, node, index) {
    if (event.button) return;
    event.preventDefault();
    node.focus({ preventScroll: true });
    const mark = html("i", { class: "par-brush" });
    const from = placeOf(this.#axes[index], node, event.clientY);
    node.append(mark);
    node.setPointerCapture(event.pointerId);
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      const to = placeOf(this.#axes[index], node, moved.clientY);
      this.#brush = { axis: index, from, to };
      const [low, high] = [from, to]
        .map((at) => toBox(this.#axes[index], at))
        .sort((a, b) => a - b);
      mark.style.bottom = `${low * 100}%`;
      mark.style.height = `${(high - low) * 100}%`;
      this.#draw();
    };
    /** @param {PointerEvent} ended */
    const stop = (ended) => {
      node.removeEventListener("pointermove", move);
      const to = placeOf(this.#axes[index], node, ended.clientY);
      if (ended.type === "pointercancel") {
        this.#brush = null;
        mark.remove();
        this.#draw();
      } else this.#narrow(index, Math.min(from, to), Math.max(from, to));
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", stop, { once: true });
    node.addEventListener("pointercancel", stop, { once: true });
  }

  /**
   * Ask for the runs between two places of an axis; for all of them where the places are one.
   * @param {number} index
   * @param {number} low
   * @param {number} high
   */
  #narrow(index, low, high) {
    const axis = this.#axes[index];
    const terms = high - low < 0.015 ? [] : brushTerms(axis, low, high);
    const address = new URL(location.href);
    const query = replaceField(address.searchParams.get("query") ?? "", axis.field, terms);
    if (query) address.searchParams.set("query", query);
    else address.searchParams.delete("query");
    address.searchParams.delete("cursor");
    if (address.href === location.href) {
      this.#brush = null;
      this.querySelector(".par-brush")?.remove();
      this.#draw();
    } else location.assign(address);
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (this.#brush || !this.#axes.length) return;
    const box = this.getBoundingClientRect();
    const x = event.clientX - box.left + this.scrollLeft;
    const y = event.clientY - box.top;
    /** @type {Line | null} */
    let found = null;
    let least = NEAR;
    const right = this.#axes.findIndex((_, index) => this.#x(index) >= x);
    if (right > 0) {
      const share = (x - this.#x(right - 1)) / (this.#x(right) - this.#x(right - 1));
      for (const line of this.#lines) {
        if (!line[3]) continue;
        const [a, b] = [this.#y(line, right - 1), this.#y(line, right)];
        if (a === null || b === null) continue;
        const away = Math.abs(a + (b - a) * share - y);
        if (away < least) [found, least] = [line, away];
      }
    }
    this.#highlight(found, x, y);
  }

  /**
   * @param {Line | null} line
   * @param {number} x
   * @param {number} y
   */
  #highlight(line, x = 0, y = 0) {
    if (line !== this.#under) {
      this.#under = line;
      this.style.cursor = line ? "pointer" : "";
      this.#draw();
    }
    this.#tip.hidden = !line;
    if (!line) return;
    this.#tip.textContent = `#${line[1] ?? line[0].slice(0, 8)}`;
    this.#tip.style.left = `${Math.min(x + 12, this.#width() - 60)}px`;
    this.#tip.style.top = `${Math.max(0, y - 28)}px`;
  }
}

customElements.define("pl-parallel", Parallel);
