// @ts-check
// <pl-goal>: which way a metric is better. A click on an arrow declares it for the experiment.

import { toast } from "./copy.js";

class Goal extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (!button?.dataset.direction) return;
      event.preventDefault();
      event.stopPropagation();
      this.#save(button.dataset.direction);
    });
  }

  /** @param {string} direction */
  async #save(direction) {
    const { experiment, name } = this.dataset;
    const answer = await fetch("/api/v1/measures", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ experiment, name, direction }),
    }).catch(() => null);
    if (!answer?.ok) {
      const problem = await answer?.json().catch(() => null);
      toast(problem?.detail ?? "It could not be saved: the server does not answer.");
      return;
    }
    const address = new URL(location.href);
    address.searchParams.delete("goal");
    location.assign(address);
  }
}

customElements.define("pl-goal", Goal);
