import io

import pytest
from PIL import Image

from pellucid.demo.drawing import Scene, draw, lay_out, paint_stack, read_scene
from pellucid.demo.model_server import ImageRequest

PROMPT = (
    "To scale: a stack of 8,568 Blu-ray discs, each 120 mm in diameter and 1.2 mm thick, 10.28 m "
    "tall. Beside it a person 1.71 m tall and a three-storey house 9 m tall."
)
DISC = (52, 92, 160)
PERSON = (196, 106, 66)


def heights_of(png: bytes, colour: tuple[int, int, int], columns: range) -> int:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        rows = [
            y
            for y in range(image.height)
            if any(
                max(abs(a - b) for a, b in zip(image.getpixel((x, y)), colour, strict=True)) < 12  # type: ignore[arg-type]
                for x in columns
            )
        ]
    return max(rows) - min(rows) + 1


def test_numbers_come_from_the_prompt() -> None:
    assert read_scene(PROMPT) == Scene(
        discs=8568,
        stack_m=10.28,
        diameter_m=0.12,
        thickness_m=0.0012,
        person_m=1.71,
        house_m=9.0,
    )
    assert read_scene("A red fox.") is None


@pytest.mark.parametrize("stack_m", [0.5, 5.14, 10.28, 20.56, 400.0])
def test_everything_has_one_scale_and_fits(stack_m: float) -> None:
    scene = Scene(
        discs=1, stack_m=stack_m, diameter_m=0.12, thickness_m=0.0012, person_m=1.71, house_m=9.0
    )
    layout = lay_out(scene, 1024, 1024)
    for box, metres in ((layout.stack, stack_m), (layout.person, 1.71), (layout.house, 9.0)):
        assert (box.bottom - box.top) / layout.pixels_per_m == pytest.approx(metres)
        assert box.top >= 0
        assert 0 <= box.left < box.right <= 1024
    assert layout.stack.right - layout.stack.left == pytest.approx(0.12 * layout.pixels_per_m)


def test_the_pixels_keep_the_proportions() -> None:
    png = paint_stack(ImageRequest(prompt=PROMPT, width=1024, height=1024))
    stack = heights_of(png, DISC, range(426, 435))
    person = heights_of(png, PERSON, range(240, 295))
    assert stack / person == pytest.approx(10.28 / 1.71, rel=0.02)


def test_equal_prompts_give_equal_files_of_the_size_asked_for() -> None:
    request = ImageRequest(prompt=PROMPT, width=512, height=384)
    first = paint_stack(request)
    assert first == paint_stack(request)
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (512, 384)
    fox = paint_stack(ImageRequest(prompt="A red fox.", width=64, height=64))
    assert fox.startswith(b"\x89PNG")


def test_a_tiny_and_a_huge_stack_can_be_drawn() -> None:
    for stack_m in (0.0012, 5000.0):
        scene = Scene(
            discs=1, stack_m=stack_m, diameter_m=0.12, thickness_m=0.0012, person_m=1.7, house_m=9
        )
        assert draw(scene, 256, 256).startswith(b"\x89PNG")
