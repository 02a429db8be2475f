// @ts-check
// <pl-edit>: a text that is edited where it stands. Enter saves, Escape leaves it as it was.

import { toast } from "./copy.js";
import { html } from "./dom.js";

class Edit extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      event.stopPropagation();
      if (button) this.#open(button);
    });
  }

  /** @param {HTMLButtonElement} button */
  #open(button) {
    const isNew = this.dataset.field === "tag";
    const isEmpty = button.classList.contains("dim");
    const before = isNew || isEmpty ? "" : (button.textContent ?? "");
    const field = this.hasAttribute("data-long")
      ? html("textarea", { class: "in", rows: 4, "aria-label": "Notes" })
      : html("input", {
          class: "in",
          "aria-label": button.title || "Tag",
          placeholder: isNew ? "name: value" : false,
        });
    field.value = before;
    let isDone = false;
    /** @param {boolean} keep */
    const close = async (keep) => {
      if (isDone) return;
      isDone = true;
      const text = field.value.trim();
      field.readOnly = true;
      if (keep && text !== before && !(await this.#save(text, button, isNew))) {
        isDone = field.readOnly = false;
        field.focus();
        return;
      }
      const isHere = field === document.activeElement;
      field.replaceWith(button);
      if (isHere) button.focus({ preventScroll: true });
    };
    field.addEventListener("keydown", (raw) => {
      const event = /** @type {KeyboardEvent} */ (raw);
      if (event.key === "Escape") close(false);
      else if (
        event.key === "Enter" &&
        !(field instanceof HTMLTextAreaElement && !hasCommand(event))
      )
        close(true);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    field.addEventListener("blur", () => close(true));
    button.replaceWith(field);
    field.focus();
    field.select();
  }

  /**
   * @param {string} text
   * @param {HTMLButtonElement} button
   * @param {boolean} isNew
   */
  async #save(text, button, isNew) {
    const field = this.dataset.field ?? "";
    /** @type {Record<string, unknown>} */
    let edit = { notes: text };
    if (isNew) {
      const [name, ...rest] = text.split(/[:=]/);
      if (!name.trim()) return true;
      edit = { tags: { [name.trim()]: rest.join(":").trim() } };
    } else if (field.startsWith("tag.")) {
      edit = { tags: { [field.slice(4)]: text || null } };
    }
    const answer = await fetch(`/api/v1/runs/${this.dataset.run}/edit`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(edit),
    }).catch(() => null);
    if (!answer?.ok) {
      const problem = await answer?.json().catch(() => null);
      toast(problem?.detail ?? "It could not be saved: the server does not answer.");
      return false;
    }
    if (isNew) {
      location.reload();
      return true;
    }
    button.dataset.empty ??= button.classList.contains("dim") ? (button.textContent ?? "") : "–";
    button.textContent = text || button.dataset.empty;
    button.classList.toggle("dim", !text);
    return true;
  }
}

/** @param {KeyboardEvent} event */
function hasCommand(event) {
  return event.ctrlKey || event.metaKey;
}

customElements.define("pl-edit", Edit);
