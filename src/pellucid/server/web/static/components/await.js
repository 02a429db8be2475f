// @ts-check
// <pl-await>: waits for the first trace and opens it.

const EVERY_MS = 1500;

class Await extends HTMLElement {
  #timer = 0;

  connectedCallback() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  async #look() {
    if (document.hidden) return;
    try {
      const response = await fetch("/api/v1/traces?limit=1");
      if (!response.ok) return;
      const { traces } = await response.json();
      if (traces.length) location.assign(`/traces/${encodeURIComponent(traces[0].trace_id)}`);
    } catch {
      // The server may be restarting; the next look tells.
    }
  }
}

customElements.define("pl-await", Await);
