"""What every page owes to a screen reader and to weak eyes, looked for in the page as it stands."""

from playwright.sync_api import Page

FIND_FAULTS = r"""
() => {
  const faults = [];
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const seen = new Map();
  const colour = (text) => {
    if (!seen.has(text)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = text;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      seen.set(text, [r, g, b, a / 255]);
    }
    return seen.get(text);
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const layer = colour(style.backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduceRight((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) =>
      c <= 10.31475 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const isShown = (node) =>
    node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) &&
    node.getClientRects().length > 0;
  const say = (node) => node.outerHTML.slice(0, 140).replaceAll(/\s+/g, " ");

  const heads = document.querySelectorAll("h1").length;
  if (heads !== 1) faults.push(`${heads} headings of the first level`);

  const actors =
    "a[href],button,input:not([type=hidden]),select,textarea,summary,img," +
    "[role=button],[role=slider],[role=tab],[role=treeitem],[role=img],[role=option]";
  for (const node of document.querySelectorAll(actors)) {
    if (!isShown(node)) continue;
    const name =
      node.getAttribute("aria-label") ??
      node.getAttribute("alt") ??
      [node.innerText ?? node.textContent, node.title, node.placeholder]
        .concat([...(node.labels ?? [])].map((label) => label.textContent))
        .concat([...node.querySelectorAll("img")].map((image) => image.alt))
        .join("");
    const isMute = node.hasAttribute("aria-hidden") || node.getAttribute("alt") === "";
    if (!name.trim() && !isMute) faults.push(`no name: ${say(node)}`);
  }

  const taken = { "aria-pressed": "button,[role=button]", "aria-selected":
    "tr,[role=tab],[role=option],[role=treeitem],[role=row],[role=gridcell]" };
  for (const [attribute, takers] of Object.entries(taken)) {
    for (const node of document.querySelectorAll(`[${attribute}]`)) {
      if (!node.matches(takers)) faults.push(`takes no ${attribute}: ${say(node)}`);
    }
  }
  for (const node of document.querySelectorAll("[role=slider]:not([aria-valuenow])")) {
    faults.push(`a slider without a value: ${say(node)}`);
  }

  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const node = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !isShown(node)) continue;
    const isOut = ":disabled,[aria-disabled=true],[aria-hidden=true],svg,script,style";
    if (node.closest(isOut)) continue;
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const under = ground(node);
    if (!under) continue;
    const style = getComputedStyle(node);
    const [r, g, b, a] = colour(style.color);
    const pair = [light(over([r, g, b, a * opacity], under)), light(under)].sort((x, y) => y - x);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const least = isLarge ? 3 : 4.5;
    if (ratio < least - 0.01) faults.push(`contrast ${ratio.toFixed(2)}: ${say(node)}`);
  }
  return [...new Set(faults)].slice(0, 12);
}
"""


def expect_accessible(page: Page) -> None:
    """Fail on a nameless control, a state that its role does not take, or text too faint.

    Wait for what the page shall show before: this looks once.
    """
    assert page.evaluate(FIND_FAULTS) == []
