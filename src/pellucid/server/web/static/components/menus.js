// @ts-check
// Menus are native popovers; this places them below their button and lets arrows walk them.

import { isTyping } from "./dom.js";
import { onKey } from "./keys.js";

document.addEventListener(
  "beforetoggle",
  (event) => {
    const menu = event.target;
    if (!(menu instanceof HTMLElement) || !menu.matches(".menu")) return;
    if (/** @type {ToggleEvent} */ (event).newState !== "open") return;
    const button = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
    const box = button?.getBoundingClientRect();
    if (!box) return;
    menu.style.top = `${box.bottom + 4}px`;
    menu.style.right = `${Math.max(document.documentElement.clientWidth - box.right, 8)}px`;
    menu.style.left = "auto";
    requestAnimationFrame(() => {
      // Where its button is on the left, a menu that hangs to the left would leave the window.
      if (menu.getBoundingClientRect().left < 8) {
        menu.style.left = "8px";
        menu.style.right = "auto";
      }
      items(menu)[0]?.focus();
    });
  },
  true,
);

/** @param {HTMLElement} menu */
function items(menu) {
  return /** @type {HTMLElement[]} */ ([
    ...menu.querySelectorAll("a,button,input:not([type=hidden]),textarea"),
  ]);
}

document.addEventListener("click", (event) => {
  const chosen = /** @type {Element} */ (event.target).closest(
    ".menu a, .menu button:not([type=submit])",
  );
  const menu = chosen?.closest("[popover]");
  if (menu instanceof HTMLElement) menu.hidePopover();
});

// In the capture phase, before a table takes the arrows for its rows.
document.addEventListener(
  "keydown",
  (event) => {
    const menu = /** @type {Element} */ (event.target).closest?.(".menu");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!(menu instanceof HTMLElement) || !step || isTyping(event)) return;
    const all = items(menu);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    event.preventDefault();
    event.stopPropagation();
    all[(at + step + all.length) % all.length].focus();
  },
  true,
);

onKey((event) => {
  const button = document.querySelector(`[data-menu="${CSS.escape(event.key)}"]`);
  if (!(button instanceof HTMLElement)) return;
  event.preventDefault();
  button.click();
  const opened = document.getElementById(button.getAttribute("popovertarget") ?? "");
  if (opened) items(opened)[0]?.focus();
});
