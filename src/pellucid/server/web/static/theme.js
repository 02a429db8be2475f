// @ts-check
// Runs before the first paint, so that a stored theme never flashes.
(() => {
  try {
    const theme = localStorage.getItem("pellucid.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is then right.
  }
})();
