// @ts-check
// <pl-steps>: a slider over the steps of one image; the links below it do the same without it.

import { onKey } from "./keys.js";

class Steps extends HTMLElement {
  connectedCallback() {
    const slider = this.querySelector("input[type=range]");
    if (!(slider instanceof HTMLInputElement)) return;
    slider.addEventListener("input", () => this.#show(Number(slider.value)));
    slider.addEventListener("change", () => {
      const link = this.#links()[Number(slider.value)];
      if (link) history.replaceState(null, "", link.href);
    });
  }

  #links() {
    return /** @type {HTMLAnchorElement[]} */ ([...this.querySelectorAll(".step-links a")]);
  }

  /** @param {number} at */
  #show(at) {
    const links = this.#links();
    const image = this.querySelector(".image-full");
    const output = this.querySelector("output");
    const prompt = this.querySelector("[data-prompt-text]");
    const { src, step, prompt: words } = links[at].dataset;
    if (image instanceof HTMLImageElement && src) image.src = src;
    if (output) output.textContent = step ?? "";
    if (prompt && words) prompt.textContent = words;
    links.forEach((link, index) => link.setAttribute("aria-current", String(index === at)));
  }
}

customElements.define("pl-steps", Steps);

const chosen = document.querySelector("[data-image][aria-current=true]");
chosen?.scrollIntoView({ block: "center" });

onKey((event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const images = [...document.querySelectorAll("a[data-image]")];
  if (!step || !images.length || event.target instanceof HTMLInputElement) return;
  const current = document.querySelector("[data-image][aria-current=true]");
  const next = images[current ? images.indexOf(current) + step : 0];
  if (next instanceof HTMLAnchorElement) location.assign(next.href);
});
