// @ts-check
// <pl-plot>: the values under the pointer. They are read back from the paths that the server drew.

import { html } from "./dom.js";
import { formatDuration } from "./format.js";

/**
 * @typedef {object} Curve
 * @property {string} name
 * @property {number[]} x from 0 to 1,000
 * @property {number[]} y from 0 to 100, downwards
 */

class Plot extends HTMLElement {
  connectedCallback() {
    const area = this.querySelector(".plot-area");
    if (!(area instanceof HTMLElement)) return;
    const cursor = html("i", { class: "plot-cursor", hidden: true });
    const tip = html("div", { class: "pop plot-tip", hidden: true });
    area.append(cursor, tip);
    area.addEventListener("pointermove", (event) => {
      const box = area.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * 1000;
      const [xLow, xHigh, yLow, yHigh] = (this.dataset.bounds ?? "").split(",").map(Number);
      const found = this.#curves().map((curve) => ({ curve, index: nearest(curve.x, at) }));
      if (!found.length) return;
      const x = found[0].curve.x[found[0].index];
      const step = xLow + (x / 1000) * (xHigh - xLow);
      const where =
        this.dataset.axis === "time" ? formatDuration(step) : `step ${Math.round(step)}`;
      tip.replaceChildren(
        html("span", { class: "dim" }, where),
        ...found.map(({ curve, index }) => {
          const value = yHigh - (curve.y[index] / 100) * (yHigh - yLow);
          const name = found.length > 1 ? `${curve.name}  ` : "";
          return html("span", {}, name, html("b", {}, Number(value.toPrecision(3)).toString()));
        }),
      );
      cursor.style.setProperty("--x", String(x / 10));
      cursor.hidden = tip.hidden = false;
      const right = x > 600;
      tip.style.left = right ? "auto" : `${(x / 1000) * box.width + 10}px`;
      tip.style.right = right ? `${(1 - x / 1000) * box.width + 10}px` : "auto";
    });
    area.addEventListener("pointerleave", () => (cursor.hidden = tip.hidden = true));
  }

  /** @returns {Curve[]} */
  #curves() {
    return [...this.querySelectorAll("path.line[data-name]")].map((path) => {
      const numbers = (path.getAttribute("d") ?? "").match(/-?[\d.]+/g)?.map(Number) ?? [];
      return {
        name: /** @type {SVGPathElement} */ (path).dataset.name ?? "",
        x: numbers.filter((_, index) => index % 2 === 0),
        y: numbers.filter((_, index) => index % 2 === 1),
      };
    });
  }
}

/**
 * @param {number[]} values rising
 * @param {number} at
 */
function nearest(values, at) {
  let best = 0;
  values.forEach((value, index) => {
    if (Math.abs(value - at) < Math.abs(values[best] - at)) best = index;
  });
  return best;
}

customElements.define("pl-plot", Plot);
