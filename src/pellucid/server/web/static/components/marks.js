// @ts-check
// Marks what was searched for, without touching the page's nodes (CSS Custom Highlight API).

const MOST_RANGES = 2_000;
const PLACES = ".answer, #span-body, #list tbody, #peek .body";

/**
 * A pattern for words that follow each other, whatever stands between them but letters and digits.
 * @param {string} mark words apart by spaces; `*` at the end: the last is only a beginning
 */
function pattern(mark) {
  const begun = mark.endsWith("*");
  const words = (begun ? mark.slice(0, -1) : mark).split(" ").map((word) => escape(word));
  const end = begun ? "" : "(?![\\p{L}\\p{N}])";
  return new RegExp(`(?<![\\p{L}\\p{N}])${words.join("[^\\p{L}\\p{N}]+")}${end}`, "giu");
}

/** @param {string} word */
function escape(word) {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** @returns {RegExp[]} */
function patterns() {
  const holder = document.querySelector("[data-marks]");
  if (!(holder instanceof HTMLElement)) return [];
  try {
    return JSON.parse(holder.dataset.marks ?? "[]").map(pattern);
  } catch {
    return [];
  }
}

const sought = patterns();

function mark() {
  /** @type {Range[]} */
  const ranges = [];
  for (const place of document.querySelectorAll(PLACES)) {
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    for (
      let node = walker.nextNode();
      node && ranges.length < MOST_RANGES;
      node = walker.nextNode()
    ) {
      const text = node.textContent ?? "";
      for (const one of sought) {
        for (const match of text.matchAll(one)) {
          const range = new Range();
          range.setStart(node, match.index);
          range.setEnd(node, match.index + match[0].length);
          ranges.push(range);
        }
      }
    }
  }
  CSS.highlights.set("match", new Highlight(...ranges));
}

if (sought.length && "highlights" in CSS) {
  mark();
  document.addEventListener("htmx:afterSettle", mark);
  document.addEventListener("toggle", mark, true);
  document.addEventListener("pl-rows", mark);
}
