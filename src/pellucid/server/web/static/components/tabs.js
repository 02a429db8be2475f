// @ts-check
// Tab lists: arrows move between tabs; those with a panel on the page show it.

/** @param {HTMLElement} tab */
function choose(tab) {
  const list = tab.closest("[role=tablist]");
  const panel = document.getElementById(tab.getAttribute("aria-controls") ?? "");
  if (!list || !panel || tab instanceof HTMLAnchorElement) return;
  for (const other of list.querySelectorAll("[role=tab]")) {
    const isChosen = other === tab;
    other.setAttribute("aria-selected", String(isChosen));
    /** @type {HTMLElement} */ (other).tabIndex = isChosen ? 0 : -1;
    const shown = document.getElementById(other.getAttribute("aria-controls") ?? "");
    if (shown) shown.hidden = !isChosen;
  }
}

document.addEventListener("click", (event) => {
  const tab = /** @type {Element} */ (event.target).closest("[role=tab]");
  if (tab instanceof HTMLElement) choose(tab);
});

document.addEventListener("keydown", (event) => {
  const tab = /** @type {Element} */ (event.target).closest?.("[role=tab]");
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const list = tab?.closest("[role=tablist]");
  if (!step || !tab || !list) return;
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
  if (next instanceof HTMLButtonElement) next.click();
});
