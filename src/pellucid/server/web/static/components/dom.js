// @ts-check
// Building nodes. Text goes in as text: what a trace holds is never read as markup.

const SVG = "http://www.w3.org/2000/svg";
const icons = document.body.dataset.icons ?? "";

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 *   `true` sets an empty attribute; `false`, null and undefined leave it out
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function html(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  set(node, attributes);
  node.append(...children);
  return node;
}

/**
 * Make an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = /** @type {SVGElementTagNameMap[K]} */ (document.createElementNS(SVG, tag));
  set(node, attributes);
  node.append(...children);
  return node;
}

/**
 * @param {Element} node
 * @param {Record<string, string | number | boolean | null | undefined>} attributes
 */
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Make an icon of the sprite.
 * @param {string} name
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "i", "aria-hidden": "true" },
    svg("use", { href: `${icons}#${name}` }),
  );
}

/**
 * Point an icon that `icon` made at another symbol.
 * @param {Element} node
 * @param {string} name
 */
export function setIcon(node, name) {
  const address = `${icons}#${name}`;
  const use = node.querySelector("use");
  if (use && use.getAttribute("href") !== address) use.setAttribute("href", address);
}

/**
 * Set or remove an empty attribute.
 * @param {Element} node
 * @param {string} name
 * @param {boolean} on
 */
export function flag(node, name, on) {
  if (node.hasAttribute(name) !== on) node.toggleAttribute(name, on);
}

/**
 * Tell whether a key press belongs to a field that is being typed in.
 * @param {Event} event
 */
export function isTyping(event) {
  const target = event.target;
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && !["checkbox", "radio"].includes(target.type)))
  );
}

/**
 * Let htmx fetch a part of the page.
 * @param {string} path
 * @param {{ target: string, source?: string, swap?: string, select?: string }} context
 */
export function fill(path, context) {
  const { htmx } = /** @type {{ htmx?: { ajax(...asked: unknown[]): Promise<void> } }} */ (
    /** @type {unknown} */ (window)
  );
  // A failure is told by htmx:sendError, and by the pane that waits.
  htmx?.ajax("GET", path, { swap: "innerHTML", ...context }).catch(() => {});
}

/**
 * Call a function once the calls have stopped for a while.
 * @param {() => void} call
 * @param {number} ms
 */
export function debounce(call, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(call, ms);
  };
}
