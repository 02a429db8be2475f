"""Take the pictures of docs/img anew, from the demo in a folder of its own.

Usage: .venv/bin/python scripts/take_screenshots.py   (needs Chromium: make setup)
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "img"
SIZE = {"width": 1280, "height": 800}
COLOURS = 256
"""Enough for a page, in half the bytes."""
SETTLE_MS = 2_500


def main() -> None:
    """Start the demo, wait until it has filled its pages, and take them."""
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen(
            [sys.executable, "-m", "pellucid", "demo", "--data-dir", f"{folder}/data"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": folder, "PELLUCID_SPOOL_DIR": f"{folder}/spool"},
        )
        try:
            take(read_addresses(demo))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(30)


def read_addresses(demo: "subprocess.Popen[str]") -> dict[str, str]:
    """Return what the demo says is where: a name of a picture, and its page's address."""
    found: dict[str, str] = {}
    assert demo.stdout is not None
    for line in demo.stdout:
        if match := re.match(r"(Trace|Runs|Evaluations):\s+(http\S+)", line):
            found[match[1].lower()] = match[2]
        if "evaluations" in found:
            return found
    raise SystemExit("The demo ended before its pages were filled.")


def take(pages: dict[str, str]) -> None:
    """Write a picture a page."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        for name, address in pages.items():
            page.goto(address)
            if name == "evaluations":
                page.get_by_text("round up, k 5").first.click()
            page.wait_for_timeout(SETTLE_MS)
            path = IMAGES / f"{name}.png"
            page.screenshot(path=path)
            with Image.open(path) as picture:
                small = picture.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
            small.save(path, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
