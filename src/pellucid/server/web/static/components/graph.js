// @ts-check
// <pl-graph>: who called or handed to whom, with counts and time, from the same columns as the
// waterfall. A click opens the node's span; again, its next one.

import { Tree, loadColumns } from "./columns.js";
import { flag, html, svg } from "./dom.js";
import { formatDuration, plural } from "./format.js";
import { BOX, LANE, PORT, assignLanes, findHandoffs, mergeSteps, place } from "./graph-layout.js";
import { kindLook } from "./kinds.js";
import { openSpan } from "./span-panel.js";

/** @typedef {import("./graph-layout.js").GraphNode} GraphNode */

const PAD = 28;
const LETTERS = 22;
const TRUNK = 18;
const BEND = 8;

class Graph extends HTMLElement {
  /** @type {Map<GraphNode, SVGGElement>} */
  #drawn = new Map();
  /** @type {Tree | null} */
  #tree = null;
  #selected = "";

  connectedCallback() {
    this.#selected = this.getAttribute("selected") ?? "";
    if (!this.hidden) this.#load();
    document.addEventListener("pl-view", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.view === "graph") this.#load();
    });
    document.addEventListener("pl-select", (event) => {
      this.#selected = /** @type {CustomEvent} */ (event).detail.span;
      this.#mark();
    });
  }

  async #load() {
    try {
      const columns = await loadColumns(this.getAttribute("src") ?? "");
      if (this.#tree?.columns === columns) return;
      this.#tree = new Tree(columns);
      this.#draw(this.#tree);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.replaceChildren(
        html("p", { class: "wf-note" }, `The graph could not be loaded: ${reason}.`),
      );
    }
  }

  /** @param {Tree} tree */
  #draw(tree) {
    const nodes = mergeSteps(tree);
    const handoffs = findHandoffs(tree, nodes);
    place(nodes);
    const size = place(nodes, assignLanes(handoffs));
    const width = size.width + 2 * PAD;
    const height = size.height + 2 * PAD;
    const drawing = svg(
      "svg",
      {
        width,
        height,
        viewBox: `${-PAD} ${-PAD} ${width} ${height}`,
        preserveAspectRatio: "xMinYMin",
        role: "group",
        "aria-label": "Agent graph",
      },
      arrowhead(),
      ...nodes.filter((node) => node.parent).map(call),
      ...handoffs.flatMap(hand),
    );
    Object.assign(drawing.style, { maxWidth: `${width}px`, maxHeight: `${height}px` });
    this.#drawn.clear();
    for (const node of nodes) {
      const box = draw(node, tree);
      box.addEventListener("click", () => this.#open(node));
      box.addEventListener("keydown", (event) => {
        if (event.key === "Enter") this.#open(node);
      });
      this.#drawn.set(node, box);
      drawing.append(box);
    }
    const key = html(
      "p",
      { class: "graph-key" },
      `${plural(tree.size, "span")} in ${plural(nodes.length, "step")}`,
      html("span", {}, "line = called, dark on the critical path"),
    );
    if (handoffs.length) key.append(html("span", {}, "dashed = handed over, in this order"));
    const fit = html("button", { class: "btn xs", type: "button" }, "Fit to view");
    fit.addEventListener("click", () => {
      fit.setAttribute("aria-pressed", String(this.toggleAttribute("fit")));
    });
    key.append(fit);
    this.replaceChildren(key, drawing);
    this.#mark();
  }

  /** @param {GraphNode} node */
  #open(node) {
    const ids = node.rows.map((row) => /** @type {Tree} */ (this.#tree).columns.span_ids[row]);
    openSpan(ids[(ids.indexOf(this.#selected) + 1) % ids.length], {
      from: this,
    });
  }

  #mark() {
    const row = this.#tree?.rowOf.get(this.#selected);
    for (const [node, box] of this.#drawn) {
      box.setAttribute("aria-pressed", String(row !== undefined && node.rows.includes(row)));
    }
  }
}

function arrowhead() {
  const head = svg("marker", {
    id: "arrow",
    viewBox: "0 0 8 8",
    refX: 7,
    refY: 4,
    markerWidth: 7,
    markerHeight: 7,
    orient: "auto-start-reverse",
  });
  head.append(svg("path", { d: "M0 0 8 4 0 8z", fill: "context-stroke" }));
  return svg("defs", {}, head);
}

/**
 * The line from a caller: right, down a trunk that its calls share, right again.
 * @param {GraphNode} node
 */
function call(node) {
  const parent = /** @type {GraphNode} */ (node.parent);
  const x0 = parent.x + BOX.width;
  const y0 = parent.y + BOX.height / 2;
  const y1 = node.y + BOX.height / 2;
  const trunk = x0 + TRUNK;
  const d =
    y1 === y0
      ? `M${x0} ${y0}H${node.x}`
      : `M${x0} ${y0}H${trunk - BEND}Q${trunk} ${y0} ${trunk} ${y0 + BEND}V${y1 - BEND}Q${trunk} ${y1} ${trunk + BEND} ${y1}H${node.x}`;
  return svg("path", { class: "ge", d, "data-path": node.onPath });
}

/**
 * The dashed line of a hand-off, left of the agents: out below the middle of one, along its lane,
 * and in above the middle of the other.
 * @param {import("./graph-layout.js").Handoff} handoff
 */
function hand({ from, to, turns, lane }) {
  const y0 = from.y + BOX.height / 2 + PORT;
  const y1 = to.y + BOX.height / 2 - PORT;
  const x = from.x - (lane + 1) * LANE + 4;
  const y = (y0 + y1) / 2;
  const bend = y1 > y0 ? BEND : -BEND;
  const label = turns.length > 2 ? `×${turns.length}` : turns.join(",");
  return [
    svg("path", {
      class: "gh",
      d: `M${from.x} ${y0}H${x + BEND}Q${x} ${y0} ${x} ${y0 + bend}V${y1 - bend}Q${x} ${y1} ${x + BEND} ${y1}H${to.x - 1}`,
      "marker-end": "url(#arrow)",
    }),
    svg(
      "g",
      { class: "gl" },
      svg("circle", { cx: x, cy: y, r: label.length > 1 ? 10 : 8 }),
      svg("text", { x, y: y + 3.5 }, label),
    ),
  ];
}

/**
 * @param {GraphNode} node
 * @param {Tree} tree
 */
function draw(node, tree) {
  const look = kindLook(node.kind);
  const count = node.rows.length;
  const times = count > 1 ? ` ×${count.toLocaleString("en")}` : "";
  const model = tree.columns.models[node.rows[0]];
  const facts = [
    node.errors ? plural(node.errors, "error") : "",
    model && !node.rest ? cut(model, 14) : "",
    formatDuration(node.ns),
  ].filter(Boolean);
  const group = svg(
    "g",
    {
      class: "gn",
      "data-k": look.key,
      "data-err": node.errors > 0,
      tabindex: 0,
      role: "button",
      "aria-label": `${look.label} ${node.name}${times}, ${facts.join(", ")}`,
      transform: `translate(${node.x} ${node.y})`,
    },
    svg("title", {}, `${look.label} ${node.name}${times}`),
    svg("rect", { class: "box", width: BOX.width, height: BOX.height, rx: 6 }),
    svg("rect", {
      class: "ink",
      x: 9,
      y: 9,
      width: 3,
      height: BOX.height - 18,
      rx: 1.5,
    }),
    svg("text", { class: "t1", x: 20, y: 17 }, cut(node.name, LETTERS - times.length) + times),
    svg("text", { x: 20, y: 31 }, facts.join(" · ")),
  );
  flag(group, "data-path", node.onPath);
  return group;
}

/**
 * @param {string} text
 * @param {number} letters
 */
function cut(text, letters) {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}

customElements.define("pl-graph", Graph);
