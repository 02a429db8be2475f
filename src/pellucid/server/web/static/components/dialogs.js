// @ts-check
// The dialog that asks before something goes: htmx fills it, then it opens.

import { toast } from "./copy.js";

const ask = document.getElementById("ask");

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target === ask && ask instanceof HTMLDialogElement && ask.childElementCount) {
    ask.showModal();
  }
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = /** @type {CustomEvent<{ xhr: XMLHttpRequest }>} */ (event).detail;
  let reason = `The server answered ${xhr.status}.`;
  try {
    reason = JSON.parse(xhr.responseText).detail ?? reason;
  } catch {
    // An answer without problem details: its status has to do.
  }
  toast(reason);
});

document.addEventListener("htmx:sendError", () => {
  toast("The server does not answer. Is it still running?");
});
