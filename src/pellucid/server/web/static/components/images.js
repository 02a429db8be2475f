// @ts-check
// A picture that cannot be shown says so in words.

import { html, icon } from "./dom.js";

/** @param {HTMLImageElement} image */
function replace(image) {
  const words = image.alt || "Picture";
  image.replaceWith(html("span", { class: "badge warn" }, icon("image"), `${words}: not there`));
}

document.addEventListener(
  "error",
  (event) => {
    if (event.target instanceof HTMLImageElement) replace(event.target);
  },
  true,
);

// Those that failed before this module ran.
for (const image of document.images) {
  if (image.complete && !image.naturalWidth) replace(image);
}
