"""The picture: a stack of discs drawn to scale beside a person and a house.

The numbers are read from the prompt, as an image model would have to; nothing else decides the
picture, so equal prompts give equal files.
"""

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pellucid.core.errors import MissingExtra
from pellucid.demo.model_server.images import ImageRequest, paint_stripes

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_NUMBER = r"([\d,]+(?:\.\d+)?)"
_DISCS = re.compile(rf"{_NUMBER} (?:[\w-]+ )*?discs?\b")
_DIAMETER = re.compile(rf"{_NUMBER} mm in diameter")
_THICKNESS = re.compile(rf"{_NUMBER} mm thick")
_WITHIN = r"(?:[^.]|\.\d)*?"  # within one sentence, in which decimal points may stand
_STACK = re.compile(rf"stack{_WITHIN} {_NUMBER} m (?:tall|high)")
_PERSON = re.compile(rf"person{_WITHIN} {_NUMBER} m tall")
_HOUSE = re.compile(rf"(?:house|building){_WITHIN} {_NUMBER} m tall")

_SKY_TOP, _SKY_BOTTOM = (214, 233, 240), (247, 249, 247)
_GROUND, _INK, _FAINT = (205, 211, 203), (38, 50, 56), (196, 208, 210)
_DISC, _SHEEN = (52, 92, 160), (140, 182, 226)
_HOUSE_FILL, _HOUSE_EDGE, _WINDOW = (231, 221, 205), (176, 160, 138), (164, 196, 210)
_PERSON_FILL = (196, 106, 66)
_HOUSE_SHAPE = 0.55  # width over height


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is drawn, in metres."""

    discs: int
    stack_m: float
    diameter_m: float
    thickness_m: float
    person_m: float
    house_m: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in pixels; `bottom` stands on the ground."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things stand; one scale for all of them."""

    pixels_per_m: float
    stack: Box
    person: Box
    house: Box


def read_scene(prompt: str) -> Scene | None:
    """Read the numbers of a prompt; None where it speaks of no stack of known height."""
    stack, discs = _STACK.search(prompt), _DISCS.search(prompt)
    if stack is None or discs is None:
        return None
    return Scene(
        discs=int(_value(discs, 0)),
        stack_m=_value(stack, 0),
        diameter_m=_value(_DIAMETER.search(prompt), 120) / 1000,
        thickness_m=_value(_THICKNESS.search(prompt), 1.2) / 1000,
        person_m=_value(_PERSON.search(prompt), 1.7),
        house_m=_value(_HOUSE.search(prompt), 9.0),
    )


def lay_out(scene: Scene, width: int, height: int) -> Layout:
    """Place person, stack and house so that the tallest of them just fits."""
    ground = height * 0.89
    tallest = max(scene.stack_m, scene.person_m, scene.house_m)
    house_width_m = scene.house_m * _HOUSE_SHAPE
    scale = min(height * 0.74 / tallest, width * 0.4 / house_width_m)

    def stand(centre: float, width_m: float, height_m: float) -> Box:
        half = width_m * scale / 2
        top = ground - height_m * scale
        return Box(left=centre - half, top=top, right=centre + half, bottom=ground)

    return Layout(
        pixels_per_m=scale,
        person=stand(width * 0.26, scene.person_m * 0.28, scene.person_m),
        stack=stand(width * 0.42, scene.diameter_m, scene.stack_m),
        house=stand(width * 0.72, house_width_m, scene.house_m),
    )


def paint_stack(request: ImageRequest) -> bytes:
    """Paint the scene that the prompt describes; stripes where it describes none."""
    scene = read_scene(request.prompt)
    return paint_stripes(request) if scene is None else draw(scene, request.width, request.height)


def draw(scene: Scene, width: int, height: int) -> bytes:
    """Return the picture as a PNG file; drawn at twice the size, so that edges come out smooth."""
    try:
        from PIL import Image, ImageDraw
    except ModuleNotFoundError as error:
        raise MissingExtra("Drawing the stack", "demo") from error
    wide, high = width * 2, height * 2
    image = Image.new("RGB", (wide, high), _SKY_TOP)
    canvas = ImageDraw.Draw(image)
    layout = lay_out(scene, wide, high)
    _draw_sky(canvas, wide, layout.stack.bottom)
    canvas.rectangle((0, layout.stack.bottom, wide, high), fill=_GROUND)
    _draw_scale(canvas, scene, layout, wide)
    _draw_house(canvas, scene, layout.house)
    _draw_person(canvas, layout.person)
    _draw_stack(canvas, layout.stack)
    _draw_lens(canvas, scene, layout.stack, wide)
    _draw_labels(canvas, scene, layout, wide, high)
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.BOX).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _value(match: re.Match[str] | None, default: float) -> float:
    return default if match is None else float(match[1].replace(",", ""))


def _text(
    canvas: "ImageDraw", place: tuple[float, float], text: str, size: float, anchor: str = "lm"
) -> None:
    from PIL import ImageFont

    canvas.text(place, text, fill=_INK, font=ImageFont.load_default(size), anchor=anchor)


def _draw_sky(canvas: "ImageDraw", width: int, bottom: float) -> None:
    for y in range(int(bottom)):
        share = y / bottom
        top, low = _SKY_TOP, _SKY_BOTTOM
        colour = tuple(round(a + (b - a) * share) for a, b in zip(top, low, strict=True))
        canvas.line((0, y, width, y), fill=colour)


def _draw_scale(canvas: "ImageDraw", scene: Scene, layout: Layout, width: int) -> None:
    """Draw a ruler in metres with some six lines."""
    tallest = max(scene.stack_m, scene.person_m, scene.house_m)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 500, 10_000) if tallest / s <= 8)
    height_m = 0
    while height_m <= tallest:
        y = layout.stack.bottom - height_m * layout.pixels_per_m
        canvas.line((width * 0.08, y, width * 0.96, y), fill=_FAINT, width=2)
        _text(canvas, (width * 0.07, y), f"{height_m} m", width / 52, "rm")
        height_m += step


def _draw_stack(canvas: "ImageDraw", box: Box) -> None:
    # Filled without an outline: the outermost pixels are those that the scale asks for.
    canvas.rectangle((box.left, box.top, max(box.left, box.right - 1), box.bottom), fill=_DISC)
    sheen = box.left + (box.right - box.left) * 0.32
    canvas.line((sheen, box.top + 4, sheen, box.bottom), fill=_SHEEN, width=3)


def _draw_lens(canvas: "ImageDraw", scene: Scene, stack: Box, width: int) -> None:
    """Draw the stack's edge through a lens, where single discs can be told apart."""
    radius = round(width * 0.075)
    x, y = width * 0.22, stack.top + radius * 1.5
    canvas.line((x, y, (stack.left + stack.right) / 2, stack.top + 8), fill=_INK, width=2)
    thickness = max(radius // 6, 4)
    for row in range(-radius, radius + 1):
        half = math.sqrt(radius**2 - row**2)
        place = (row + radius) % thickness
        fill = _SHEEN if place < thickness / 4 else _DISC
        canvas.line((x - half, y + row, x + half, y + row), fill=fill)
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_INK, width=4)
    note = f"each {scene.diameter_m * 1000:g} mm wide, {scene.thickness_m * 1000:g} mm thick"
    _text(canvas, (x, y + radius * 1.2), note, width / 64, "mm")


def _draw_person(canvas: "ImageDraw", box: Box) -> None:
    height, middle = box.bottom - box.top, (box.left + box.right) / 2
    head = height * 0.07
    canvas.ellipse((middle - head, box.top, middle + head, box.top + 2 * head), fill=_PERSON_FILL)
    shoulder, hip = box.top + height * 0.17, box.top + height * 0.52
    canvas.rounded_rectangle(
        (middle - head * 1.5, shoulder, middle + head * 1.5, hip), head * 0.7, fill=_PERSON_FILL
    )
    for side in (-1, 1):
        foot = middle + side * head * 0.85
        leg = (foot - head * 0.6, hip - head * 0.5, foot + head * 0.6, box.bottom)
        canvas.rectangle(leg, fill=_PERSON_FILL)


def _draw_house(canvas: "ImageDraw", scene: Scene, box: Box) -> None:
    canvas.rectangle(
        (box.left, box.top, box.right, box.bottom), fill=_HOUSE_FILL, outline=_HOUSE_EDGE, width=4
    )
    storeys = max(1, round(scene.house_m / 3))
    storey, bay = (box.bottom - box.top) / storeys, (box.right - box.left) / 3
    for row in range(storeys):
        top = box.top + row * storey
        canvas.line((box.left, top, box.right, top), fill=_HOUSE_EDGE, width=3)
        for column in range(3):
            left = box.left + column * bay
            window = (left + bay * 0.28, top + storey * 0.25, left + bay * 0.72, top + storey * 0.7)
            door = (left + bay * 0.3, top + storey * 0.32, left + bay * 0.7, box.bottom)
            is_door = row == storeys - 1 and column == 1
            canvas.rectangle(door if is_door else window, fill=_HOUSE_EDGE if is_door else _WINDOW)


def _draw_labels(
    canvas: "ImageDraw", scene: Scene, layout: Layout, width: int, height: int
) -> None:
    title = f"{scene.discs:,} discs make a stack of {scene.stack_m:.2f} m"
    _text(canvas, (width / 2, height * 0.055), title, width / 29, "mm")
    size = width / 44
    labels = (
        (layout.stack, f"stack {scene.stack_m:.2f} m"),
        (layout.person, f"person {scene.person_m:.2f} m"),
        (layout.house, f"house {scene.house_m:g} m"),
    )
    for box, text in labels:
        _text(canvas, ((box.left + box.right) / 2, box.top - size * 0.8), text, size, "mm")
    note = f"To scale: 1 m is {layout.pixels_per_m / 2:.1f} pixels. The lens magnifies."
    _text(canvas, (width / 2, height * 0.945), note, width / 56, "mm")
