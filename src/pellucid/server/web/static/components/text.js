// @ts-check
// <pl-text>: a text of a trace. Long ones unfold; what looks like Markdown is set as such.

import { html } from "./dom.js";
import { looksLikeMarkdown, renderMarkdown } from "./markdown.js";

class Text extends HTMLElement {
  connectedCallback() {
    const body = this.querySelector(".txt");
    if (!(body instanceof HTMLElement) || this.dataset.ready) return;
    this.dataset.ready = "";
    this.addEventListener("click", (event) => this.#unclamp(event));
    const source = body.textContent ?? "";
    if (!this.hasAttribute("data-markdown") || !looksLikeMarkdown(source)) return;
    const rendered = renderMarkdown(source);
    body.classList.add("md");
    body.replaceChildren(rendered);
    this.#offerSource(body, source);
  }

  /**
   * @param {HTMLElement} body
   * @param {string} source
   */
  #offerSource(body, source) {
    const toggle = html("button", { class: "btn ghost xs raw", type: "button" }, "Source");
    toggle.addEventListener("click", () => {
      const isSource = body.classList.toggle("md") === false;
      body.replaceChildren(isSource ? source : renderMarkdown(source));
      toggle.textContent = isSource ? "Rendered" : "Source";
    });
    const more = this.querySelector(".text-more");
    if (more) more.append(toggle);
    else this.append(html("div", { class: "row text-more" }, toggle));
  }

  /** @param {MouseEvent} event */
  #unclamp(event) {
    const button = /** @type {Element} */ (event.target).closest("[data-unclamp]");
    if (!(button instanceof HTMLElement)) return;
    const open = this.toggleAttribute("data-open");
    button.setAttribute("aria-expanded", String(open));
    button.dataset.label ??= button.textContent ?? "";
    button.textContent = open ? "Show less" : button.dataset.label;
  }
}

customElements.define("pl-text", Text);
