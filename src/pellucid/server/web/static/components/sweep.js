// @ts-check
// <pl-rows-plot for="id">: the rows of a table as lines over its columns. Columns with `data-axis`
// are axes, `data-v` of their cells the values; `data-goal` (max or min) names the one that lines
// are shaded by. A brush on an axis (drag, or arrows on the focused axis) hides the other rows and
// stands in the address. Without scripts there is the table.

import { debounce, flag, html, svg } from "./dom.js";
import { selectRow } from "./table.js";

/**
 * @typedef {object} Axis
 * @property {string} name
 * @property {number} column
 * @property {string} goal
 * @property {string[] | null} words the values of an axis that is no number
 * @property {number[]} marks the values that are written, of an axis that is a number
 * @property {number} low
 * @property {number} high
 * @property {number} x
 * @property {[number, number] | null} brush shares of the axis, from its foot
 */

/** @typedef {{ row: HTMLElement, places: (number | null)[], path: SVGPathElement }} Line */

const HEIGHT = 214;
const TOP = 34;
const FOOT = 14;
const SIDE = 58;
const STEP = 0.05;

class RowsPlot extends HTMLElement {
  /** @type {Axis[]} */
  #axes = [];
  /** @type {Line[]} */
  #lines = [];

  connectedCallback() {
    const table = document.getElementById(this.getAttribute("for") ?? "");
    if (!(table instanceof HTMLTableElement)) return;
    this.#read(table);
    if (this.#axes.length < 2 || this.#lines.length < 2) return;
    this.figure = svg("svg", { class: "parallel", role: "group", height: HEIGHT });
    this.figure.setAttribute("aria-label", this.getAttribute("label") ?? "Parallel coordinates");
    this.note = html("p", { class: "xs dim parallel-note", role: "status" });
    this.append(this.figure, this.note);
    this.#restore();
    this.#draw();
    new ResizeObserver(debounce(() => this.#draw(), 60)).observe(this);
    table.addEventListener("pointerover", (event) => {
      const row = /** @type {Element} */ (event.target).closest("tbody tr");
      for (const line of this.#lines) flag(line.path, "data-hot", line.row === row);
    });
    table.addEventListener("pointerleave", () => {
      for (const line of this.#lines) flag(line.path, "data-hot", false);
    });
  }

  /** @param {HTMLTableElement} table */
  #read(table) {
    const heads = [...table.querySelectorAll("thead th")];
    const rows = /** @type {HTMLElement[]} */ ([...table.querySelectorAll("tbody tr")]);
    this.#axes = heads.flatMap((head, column) => {
      const name = head.getAttribute("data-axis");
      if (!name) return [];
      const values = rows.map((row) => value(row, column)).filter((one) => one !== "");
      if (new Set(values).size < 2) return [];
      const numbers = values.map(Number);
      const isNumber = numbers.every(Number.isFinite);
      const words = isNumber ? null : [...new Set(values)];
      return [
        {
          name,
          column,
          goal: head.getAttribute("data-goal") ?? "",
          words,
          marks: marksOf(numbers),
          low: words ? 0 : Math.min(...numbers),
          high: words ? words.length - 1 : Math.max(...numbers),
          x: 0,
          brush: null,
        },
      ];
    });
    const goal = this.#axes.findIndex((axis) => axis.goal);
    this.#lines = rows.map((row) => {
      const places = this.#axes.map((axis) => place(axis, value(row, axis.column)));
      const path = svg("path", { class: "parallel-line" });
      const share = goal < 0 ? null : places[goal];
      if (share !== null && share !== undefined) {
        const good = this.#axes[goal].goal === "min" ? 1 - share : share;
        path.style.setProperty("--v", good.toFixed(3));
      }
      path.append(
        svg("title", {}, this.#axes.map((a) => `${a.name} ${value(row, a.column)}`).join(", ")),
      );
      path.addEventListener("click", () => selectRow(row));
      return { row, places, path };
    });
  }

  #draw() {
    const width = this.clientWidth;
    if (!this.figure || width < 80) return;
    this.figure.setAttribute("width", String(width));
    const step = (width - 2 * SIDE) / (this.#axes.length - 1);
    this.#axes.forEach((axis, index) => (axis.x = SIDE + index * step));
    for (const { places, path } of this.#lines) {
      let isOpen = false;
      const parts = places.map((share, index) => {
        const joined = isOpen;
        isOpen = share !== null;
        return share === null
          ? ""
          : `${joined ? "L" : "M"}${this.#axes[index].x.toFixed(1)} ${at(share)}`;
      });
      path.setAttribute("d", parts.join(""));
    }
    const sorted = [...this.#lines].sort((a, b) => shade(a.path) - shade(b.path));
    const groups = () => [...(this.figure?.querySelectorAll("g") ?? [])];
    const focused = groups().findIndex((group) => group === document.activeElement);
    this.figure.replaceChildren(
      ...sorted.map((line) => line.path),
      ...this.#axes.map((axis) => this.#axis(axis, step)),
    );
    groups()[focused]?.focus();
    this.#apply();
  }

  /**
   * @param {Axis} axis
   * @param {number} room
   */
  #axis(axis, room) {
    const words = axis.words ?? [];
    const fits = words.length <= 12;
    const ticks = axis.words
      ? words.filter((_, n) => fits || n === 0 || n === words.length - 1)
      : axis.marks.map(String);
    const labels = ticks.map((tick) => {
      const share = place(axis, tick) ?? 0;
      const text = axis.words ? tick : short(Number(tick));
      return svg("text", { x: 7, y: at(share) + 4, class: "parallel-tick" }, clip(text, room));
    });
    const brush = svg("rect", { class: "parallel-brush", x: -6, width: 12, rx: 2 });
    const group = svg(
      "g",
      {
        class: "parallel-axis",
        transform: `translate(${axis.x.toFixed(1)} 0)`,
        tabindex: 0,
        role: "slider",
        "aria-label": `${axis.name}: drag or use the arrows to choose rows`,
        "aria-valuenow": 0,
      },
      svg(
        "text",
        { y: 16, "text-anchor": "middle", class: "parallel-name" },
        clip(axis.name, room),
      ),
      svg("line", { y1: TOP, y2: HEIGHT - FOOT }),
      brush,
      ...labels,
      svg("rect", {
        class: "parallel-grip",
        x: -14,
        y: TOP - 6,
        width: 28,
        height: HEIGHT - TOP - FOOT + 12,
      }),
    );
    group.addEventListener("pointerdown", (event) => this.#drag(axis, event));
    group.addEventListener("keydown", (event) => this.#key(axis, event));
    return group;
  }

  /**
   * @param {Axis} axis
   * @param {PointerEvent} event
   */
  #drag(axis, event) {
    const figure = /** @type {SVGSVGElement} */ (this.figure);
    const top = figure.getBoundingClientRect().top;
    const share = (/** @type {PointerEvent} */ one) =>
      clamp(1 - (one.clientY - top - TOP) / (HEIGHT - TOP - FOOT));
    const from = share(event);
    axis.brush = null;
    figure.setPointerCapture(event.pointerId);
    const move = (/** @type {PointerEvent} */ one) => {
      const to = share(one);
      axis.brush = Math.abs(to - from) < 0.02 ? null : [Math.min(from, to), Math.max(from, to)];
      this.#apply();
    };
    const end = () => {
      figure.removeEventListener("pointermove", move);
      this.#remember();
    };
    figure.addEventListener("pointermove", move);
    figure.addEventListener("pointerup", end, { once: true });
    figure.addEventListener("pointercancel", end, { once: true });
    this.#apply();
  }

  /**
   * @param {Axis} axis
   * @param {KeyboardEvent} event
   */
  #key(axis, event) {
    const step = { ArrowUp: STEP, ArrowDown: -STEP }[event.key];
    if (step) {
      const [low, high] = axis.brush ?? [0, 1];
      axis.brush = event.shiftKey
        ? [low, clamp(Math.max(high + step, low + STEP))]
        : [clamp(Math.min(low + step, high - STEP)), high];
      if (axis.brush[0] <= 0 && axis.brush[1] >= 1) axis.brush = null;
    } else if (event.key === "Escape" && axis.brush) axis.brush = null;
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#apply();
    this.#remember();
  }

  /** Show the rows that every brush holds, and where the brushes are. */
  #apply() {
    let count = 0;
    for (const { row, places, path } of this.#lines) {
      const isIn = this.#axes.every(({ brush }, index) => {
        const share = places[index];
        return !brush || (share !== null && share >= brush[0] - 1e-9 && share <= brush[1] + 1e-9);
      });
      count += Number(isIn);
      flag(path, "data-out", !isIn);
      row.hidden = !isIn;
    }
    const groups = this.figure?.querySelectorAll(".parallel-axis") ?? [];
    this.#axes.forEach(({ brush }, index) => {
      const rect = groups[index]?.querySelector(".parallel-brush");
      if (!rect) return;
      rect.setAttribute("y", String(brush ? at(brush[1]) : 0));
      rect.setAttribute("height", String(brush ? Math.max(at(brush[0]) - at(brush[1]), 2) : 0));
      const said = brush
        ? brush.map((share) => reading(this.#axes[index], share)).join(" to ")
        : "all";
      groups[index].setAttribute("aria-valuetext", said);
    });
    const isBrushed = this.#axes.some((axis) => axis.brush);
    if (this.note) {
      this.note.textContent = isBrushed
        ? `${count} of ${this.#lines.length} rows; Escape on an axis shows all of it again`
        : "Drag along an axis to keep only the rows that cross there";
    }
  }

  #remember() {
    const held = this.#axes
      .filter((axis) => axis.brush)
      .map(
        ({ name, brush }) =>
          `${encodeURIComponent(name)}:${brush?.map((share) => share.toFixed(3)).join(":")}`,
      );
    const url = new URL(location.href);
    if (held.length) url.searchParams.set("brush", held.join(","));
    else url.searchParams.delete("brush");
    history.replaceState(history.state, "", url);
  }

  #restore() {
    const held = new URL(location.href).searchParams.get("brush") ?? "";
    for (const [name, low, high] of held.split(",").map((one) => one.split(":"))) {
      const axis = this.#axes.find((one) => encodeURIComponent(one.name) === name);
      if (axis && Number(high) > Number(low))
        axis.brush = [clamp(Number(low)), clamp(Number(high))];
    }
  }
}

/**
 * @param {HTMLElement} row
 * @param {number} column
 */
function value(row, column) {
  const cell = /** @type {HTMLElement | undefined} */ (row.children[column]);
  return (cell?.dataset.v ?? cell?.textContent ?? "").trim();
}

/**
 * @param {Axis} axis
 * @param {string} text
 */
function place(axis, text) {
  if (text === "") return null;
  const found = axis.words ? axis.words.indexOf(text) : Number(text);
  return (found - axis.low) / (axis.high - axis.low);
}

/**
 * @param {Axis} axis
 * @param {number} share
 */
function reading(axis, share) {
  const found = axis.low + share * (axis.high - axis.low);
  return axis.words ? axis.words[Math.round(found)] : short(found);
}

/**
 * The values to write beside an axis: all of a few that lie apart, else the ends.
 * @param {number[]} numbers
 */
function marksOf(numbers) {
  const all = [...new Set(numbers)].sort((a, b) => a - b);
  const ends = [all[0], all[all.length - 1]];
  const near = all.some((one, n) => n > 0 && (one - all[n - 1]) / (ends[1] - ends[0]) < 0.09);
  return all.length <= 8 && !near ? all : ends;
}

/** @param {number} share */
function at(share) {
  return Math.round((HEIGHT - FOOT - share * (HEIGHT - TOP - FOOT)) * 10) / 10;
}

/** @param {number} number */
function clamp(number) {
  return Math.min(Math.max(number || 0, 0), 1);
}

/** @param {number} number */
function short(number) {
  return String(Number(number.toPrecision(3)));
}

/**
 * @param {string} text
 * @param {number} room
 */
function clip(text, room) {
  const most = Math.max(5, Math.floor((room - 12) / 6.2));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** @param {SVGPathElement} path */
function shade(path) {
  return Number(path.style.getPropertyValue("--v") || 0);
}

customElements.define("pl-rows-plot", RowsPlot);
