// @ts-check
// A dataset's page: the editor, its keys and forms, and a look at files before they are sent.

import { Editor } from "./dataset-editor.js";

const table = document.querySelector("table[data-dataset]");
if (table instanceof HTMLTableElement) {
  const editor = new Editor(table);
  document.querySelector("[data-add]")?.addEventListener("click", () => editor.add());
  for (const id of ["save-form", "column-form"]) {
    document.getElementById(id)?.addEventListener("submit", (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      event.preventDefault();
      form.hidePopover();
      if (id === "save-form") editor.save(form);
      else editor.addColumn(String(new FormData(form).get("field") ?? "").trim());
      if (id === "column-form") form.reset();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.defaultPrevented) return;
    const isInField = /** @type {Element} */ (event.target).closest?.("input,textarea");
    if (isInField && event.key.toLowerCase() !== "s") return;
    if (editor.command(event)) event.preventDefault();
  });
  addEventListener("beforeunload", (event) => {
    if (Object.values(editor.edits).some((list) => list.length)) event.preventDefault();
  });
}

document.addEventListener("change", (event) => {
  const field = event.target;
  if (!(field instanceof HTMLInputElement) || field.type !== "file" || !field.dataset.most) return;
  const isLarge = (field.files?.[0]?.size ?? 0) > Number(field.dataset.most);
  field.setCustomValidity(
    isLarge ? "Larger than 64 MB: import it with pellucid datasets import." : "",
  );
  field.reportValidity();
});
