// @ts-check
// One row of the waterfall: made once, then filled again and again as the window moves.

import { flag, html, icon, setIcon, svg } from "./dom.js";
import { formatDuration } from "./format.js";
import { kindLook } from "./kinds.js";

/** @typedef {import("./columns.js").Tree} Tree */
/** @typedef {import("./time-axis.js").TimeAxis} TimeAxis */

const STEP = 18;
const NARROW_STEP = 4;
const WIDE_DEPTH = 9;
const MOST = 200;

/**
 * How far a depth is indented: deep levels move less, then no more, so that names stay readable.
 * @param {number} depth
 */
function indent(depth) {
  const deep = Math.max(depth - WIDE_DEPTH, 0) * NARROW_STEP;
  return Math.min(Math.min(depth, WIDE_DEPTH) * STEP + deep, MOST);
}

/**
 * What a row shows beside its span.
 * @typedef {object} RowState
 * @property {boolean} selected
 * @property {boolean} folded
 * @property {boolean} match
 * @property {number} top pixels
 */

export class Row {
  constructor() {
    this.guides = svg("path");
    this.guideBox = svg("svg", { class: "gd", "aria-hidden": "true" }, this.guides);
    this.twist = html("button", {
      class: "tw",
      type: "button",
      tabindex: -1,
      "aria-hidden": "true",
    });
    this.glyph = icon("circle-dashed");
    this.kind = html("span", { class: "k" }, this.glyph);
    this.name = html("span", { class: "nm" });
    this.detail = html("span", { class: "ds" });
    /** @type {HTMLElement | null} made for the first error that this row shows */
    this.alarm = null;
    this.wait = html("i", { class: "ft" });
    this.bar = html("span", { class: "wf-bar" }, this.wait);
    this.time = html("span", { class: "wf-d" });
    this.node = html(
      "div",
      { class: "wf-row", role: "treeitem" },
      html(
        "div",
        { class: "wf-name" },
        this.guideBox,
        this.twist,
        this.kind,
        this.name,
        this.detail,
      ),
      html("div", { class: "wf-bars" }, this.bar, this.time),
    );
    this.row = -1;
    this.drawn = "";
  }

  /**
   * Show a span.
   * @param {Tree} tree
   * @param {number} row
   * @param {RowState} state
   * @param {TimeAxis} axis
   */
  fill(tree, row, state, axis) {
    const { columns } = tree;
    const { node } = this;
    const drawing = `${tree.version} ${row} ${axis.from} ${axis.until} ${Object.values(state)}`;
    if (drawing === this.drawn) return;
    this.drawn = drawing;
    this.row = row;
    const look = kindLook(columns.kinds[row]);
    const status = columns.statuses[row];
    const branch = tree.hasChildren(row);
    node.id = `row-${columns.span_ids[row]}`;
    node.dataset.row = String(row);
    node.dataset.k = look.key;
    node.setAttribute("aria-level", String(columns.depths[row] + 1));
    node.setAttribute("aria-selected", String(state.selected));
    node.tabIndex = state.selected ? 0 : -1;
    if (branch) node.setAttribute("aria-expanded", String(!state.folded));
    else node.removeAttribute("aria-expanded");
    node.style.transform = `translateY(${state.top}px)`;
    flag(node, "data-err", status === "error");
    flag(node, "data-running", status === "running");
    flag(node, "data-cut", status === "interrupted");
    flag(node, "data-branch", branch);
    flag(node, "data-path", tree.path.has(row));
    flag(node, "data-match", state.match);
    this.kind.dataset.k = look.key;
    this.kind.title = look.label;
    setIcon(this.glyph, look.icon);
    this.name.textContent = columns.names[row] || "unnamed span";
    const detail = describe(tree, row, state.folded);
    this.detail.textContent = detail;
    node.title = detail ? `${columns.names[row]} · ${detail}` : columns.names[row];
    node.setAttribute("aria-label", this.#label(tree, row, look.label, detail));
    flag(this.twist, "hidden", !branch);
    this.#warn(status === "error");
    this.#drawGuides(tree, row);
    this.#drawBar(tree, row, axis);
  }

  /** @param {boolean} failed */
  #warn(failed) {
    if (failed) {
      this.alarm ??= html("span", { class: "al", title: "Error" }, icon("triangle-alert"));
      this.detail.after(this.alarm);
    } else this.alarm?.remove();
  }

  /**
   * @param {Tree} tree
   * @param {number} row
   * @param {string} kind
   * @param {string} detail
   */
  #label(tree, row, kind, detail) {
    const { names, statuses, durations } = tree.columns;
    const status = statuses[row] === "ok" ? "" : `, ${statuses[row]}`;
    const said = [kind, names[row], detail].filter(Boolean).join(" ");
    return `${said}, ${formatDuration(durations[row])}${status}`;
  }

  /**
   * Lines from the ancestors that have more children below, and the elbow to this row.
   * @param {Tree} tree
   * @param {number} row
   */
  #drawGuides(tree, row) {
    const { parents, depths } = tree.columns;
    const depth = depths[row];
    const width = indent(depth);
    let path = "";
    if (depth > 0) {
      const x = indent(depth - 1) + 6.5;
      path = `M${x} 0V${tree.isLast[row] ? 12 : 40}M${x} 12H${width + (tree.hasChildren(row) ? 0 : 11)}`;
      for (let at = parents[row]; at > 0; at = parents[at]) {
        if (depths[at] > 0 && !tree.isLast[at]) path += `M${indent(depths[at] - 1) + 6.5} 0V40`;
      }
    }
    this.guideBox.setAttribute("width", String(width));
    this.guides.setAttribute("d", path);
  }

  /**
   * @param {Tree} tree
   * @param {number} row
   * @param {TimeAxis} axis
   */
  #drawBar(tree, row, axis) {
    const { starts, durations, ttfts } = tree.columns;
    const from = axis.ratio(starts[row]);
    const until = axis.ratio(starts[row] + durations[row]);
    const x = Math.min(Math.max(from, 0), 1);
    const w = Math.max(Math.min(until, 1) - x, 0);
    const visible = until >= 0 && from <= 1;
    flag(this.bar, "hidden", !visible);
    this.bar.style.setProperty("--x", x.toFixed(5));
    this.bar.style.setProperty("--w", w.toFixed(5));
    const ttft = ttfts[row];
    flag(this.wait, "hidden", !ttft || !durations[row]);
    if (ttft && w > 0) {
      const first = Math.min(axis.ratio(starts[row] + ttft), 1);
      this.wait.style.setProperty("--f", Math.max((first - x) / w, 0).toFixed(4));
    }
    const label = formatDuration(durations[row]);
    this.time.textContent = until < 0 ? `‹ ${label}` : from > 1 ? `${label} ›` : label;
    const left = x + w > 0.9 && x > 0.14 && visible && w < 0.995;
    this.time.classList.toggle("l", left && x > 1 - x - w);
    this.time.style.setProperty("--x", (visible ? x : until < 0 ? 0 : 1).toFixed(5));
    this.time.style.setProperty("--w", visible ? w.toFixed(5) : "0");
  }
}

/**
 * The few words beside a name.
 * @param {Tree} tree
 * @param {number} row
 * @param {boolean} folded
 */
function describe(tree, row, folded) {
  const { details, kinds, models, agents, names } = tree.columns;
  const model = models[row] ?? "";
  const said = (kinds[row] === "LLM" && model) || tidy(details[row]) || model;
  const agent = agents[row];
  const words = said || (agent && agent !== names[row] ? agent : "");
  if (!folded || !tree.hasChildren(row)) return words;
  const hidden = tree.ends[row] - row - 1;
  const count = `${hidden.toLocaleString("en")} inside`;
  return words ? `${count} · ${words}` : count;
}

/**
 * Leave out the braces and keys of JSON that was cut to a few words: its values say more.
 * @param {string} detail
 */
function tidy(detail) {
  if (!/^\s*[[{]/.test(detail)) return detail;
  const values = detail.replace(/"(?:[^"\\]|\\.)*"\s*:\s*/g, "").replace(/[{}[\]"]/g, "");
  const said = values.split(",").map((value) => value.trim());
  return said.filter((value) => value && value !== "null").join(", ") || detail;
}

/** Rows in the shape of the result, for while it loads. */
export function skeletonRows() {
  return [0, 1, 2, 2, 1, 2, 2, 2, 1, 2].map((depth) => {
    const row = html("div", { class: "skel-row" }, html("span", { class: "skel" }));
    row.style.setProperty("--d", String(depth));
    return row;
  });
}
