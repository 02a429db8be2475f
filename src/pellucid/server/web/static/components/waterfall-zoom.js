// @ts-check
// Ctrl and the wheel zoom the time, dragging pans it, a double click shows all of it again.

/** @typedef {import("./waterfall.js").Waterfall} Waterfall */

const MARGIN = 64;

/**
 * Let the pointer move a waterfall's time axis.
 * @param {Waterfall} waterfall
 * @param {HTMLElement} rows
 */
export function attachZoom(waterfall, rows) {
  const { axis } = waterfall;

  /** @param {MouseEvent} event */
  const plot = (event) => {
    const bars = rows.querySelector(".wf-bars");
    const box = bars?.getBoundingClientRect();
    if (!box || event.clientX < box.left) return null;
    return { left: box.left, width: Math.max(box.width, MARGIN) };
  };

  rows.addEventListener(
    "wheel",
    (event) => {
      const box = plot(event);
      if (!box) return;
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (event.ctrlKey || event.metaKey) {
        const at = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
        axis.zoom(Math.exp(Math.max(Math.min(event.deltaY, 60), -60) / 150), at);
      } else if ((sideways || event.shiftKey) && axis.isZoomed) {
        axis.pan((sideways ? event.deltaX : event.deltaY) / box.width);
      } else return;
      event.preventDefault();
      waterfall.schedule();
    },
    { passive: false },
  );

  rows.addEventListener("dblclick", (event) => {
    if (!plot(event)) return;
    axis.fit();
    waterfall.schedule();
  });

  rows.addEventListener("pointerdown", (event) => {
    const box = plot(event);
    if (!box || !axis.isZoomed || event.button !== 0) return;
    let at = event.clientX;
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      axis.pan((at - moved.clientX) / box.width);
      at = moved.clientX;
      waterfall.schedule();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
  });
}
