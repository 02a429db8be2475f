// @ts-check
// The part of a trace's time that is in view, and the ticks above it.

import { html } from "./dom.js";
import { formatTick } from "./format.js";

const STEPS = [1, 2, 5];
const LONG_STEPS_S = [60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];
const LONG_NS = 50e9;
const DAY_NS = 86_400e9;
const DEEPEST = 1e-6;
const LEAST_NS = 1_000;
const TICK_PX = 60;

export class TimeAxis {
  /** @param {number} totalNs */
  constructor(totalNs) {
    this.totalNs = Math.max(totalNs, LEAST_NS);
    this.from = 0;
    this.until = this.totalNs;
    /** Into how many parts ticks cut what is in view, at most about. */
    this.parts = 5;
  }

  get spanNs() {
    return this.until - this.from;
  }

  get isZoomed() {
    return this.spanNs < this.totalNs * 0.9999;
  }

  /**
   * Where a moment stands: 0 at the left edge, 1 at the right.
   * @param {number} ns
   */
  ratio(ns) {
    return (ns - this.from) / this.spanNs;
  }

  /**
   * Take in a longer trace, and follow it when all of it was in view.
   * @param {number} totalNs
   */
  extend(totalNs) {
    const all = !this.isZoomed;
    this.totalNs = Math.max(totalNs, LEAST_NS);
    if (all) this.fit();
  }

  fit() {
    this.from = 0;
    this.until = this.totalNs;
  }

  /**
   * Zoom by a factor (below 1 comes closer) around a place between 0 and 1.
   * @param {number} factor
   * @param {number} [at]
   */
  zoom(factor, at = 0.5) {
    const span = Math.min(Math.max(this.spanNs * factor, this.totalNs * DEEPEST, 10), this.totalNs);
    const centre = this.from + this.spanNs * at;
    this.#show(centre - span * at, span);
  }

  /**
   * Move by a part of what is in view.
   * @param {number} part
   */
  pan(part) {
    this.#show(this.from + this.spanNs * part, this.spanNs);
  }

  /**
   * @param {number} from
   * @param {number} span
   */
  #show(from, span) {
    this.from = Math.min(Math.max(from, 0), this.totalNs - span);
    this.until = this.from + span;
  }

  /**
   * The distance of ticks, of which three to six are in view: 1, 2 or 5 times a power of ten, and
   * for what takes minutes or hours, what clocks show.
   */
  get stepNs() {
    const rough = this.spanNs / this.parts;
    const long = LONG_STEPS_S.find((one) => one * 1e9 >= rough);
    if (rough > LONG_NS && long) return long * 1e9;
    const unit = rough > LONG_NS ? DAY_NS : 1;
    const power = Math.max(unit * 10 ** Math.floor(Math.log10(rough / unit)), unit);
    const step = STEPS.find((one) => one * power >= rough);
    return step ? step * power : 10 * power;
  }

  /**
   * Draw the labels, and tell the rows where their grid lines are.
   * @param {HTMLElement} labels
   * @param {HTMLElement} rows
   */
  draw(labels, rows) {
    const room = Math.floor(labels.clientWidth / TICK_PX);
    if (room) this.parts = Math.min(Math.max(room, 1), 5);
    const step = this.stepNs;
    const first = Math.ceil(this.from / step) * step;
    const ticks = [];
    for (let at = first; at <= this.until; at += step) {
      const ratio = this.ratio(at);
      if (ratio > 0.97) break;
      const tick = html("i", {}, formatTick(at, step));
      tick.style.left = `${(ratio * 100).toFixed(3)}%`;
      if (ratio > 0.01) tick.className = "mid";
      ticks.push(tick);
    }
    labels.replaceChildren(...ticks);
    rows.style.setProperty("--tick", `${((step / this.spanNs) * 100).toFixed(4)}%`);
    rows.style.setProperty("--tick0", `${(this.ratio(first) * 100).toFixed(4)}%`);
  }
}
