"""What `log_image`, `log_table`, `log_dict`, `log_figure` and `log_artifacts` keep of a value."""

import io
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from pellucid.client.tracking.files import encode_dict, encode_figure, encode_table, encode_text
from pellucid.client.tracking.folders import iter_folder
from pellucid.client.tracking.outbox import run_delivery
from pellucid.client.tracking.pictures import encode_image
from pellucid.core.errors import InvalidInput
from pellucid.core.run import MetricWrite, RunEnd, RunStatus, RunWrite, Stamped, TagWrite
from pellucid.core.run_limits import check_name, check_path

KEY = "sk-proj-" + "8fQ2xLmN7vKtR4wZ" + "9yBpD1sHcJ6g"
RAMP = Image.linear_gradient("L").resize((16, 16))
SHARES = np.linspace(0, 1, 256).reshape(16, 16)


def opened(image: Any) -> Any:
    return Image.open(io.BytesIO(encode_image(image).data))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"]
)
def test_images_of_every_mode_are_kept(mode: str) -> None:
    image = RAMP.convert("RGB").convert(mode) if mode == "LAB" else RAMP.convert(mode)
    assert opened(image).size == (16, 16)


def test_images_of_deep_modes_keep_their_greys() -> None:
    deep = Image.fromarray((SHARES * 65535).astype("uint16"))
    assert opened(deep).getextrema() == (0, 65535)
    assert opened(RAMP.convert("I")).getextrema() == RAMP.getextrema()
    assert opened(Image.fromarray((SHARES * 65535).astype("int32"))).getextrema() == (0, 65535)
    assert opened(Image.fromarray(SHARES.astype("float32"))).getextrema() == (0, 255)
    assert opened(RAMP.convert("F")).getextrema() == RAMP.getextrema()


def test_arrays_mean_the_same_whatever_their_numbers_and_axes() -> None:
    grey = np.asarray(opened(SHARES))
    assert (grey.min(), grey.max()) == (0, 255)
    for other in (SHARES.astype("f4"), SHARES[:, :, None], SHARES[None], SHARES * 255):
        assert np.abs(np.asarray(opened(other)).astype(int) - grey).max() <= 1
    colour = np.stack([SHARES, SHARES * 0, SHARES * 0.5])
    first, last = opened(colour), opened(np.moveaxis(colour, 0, 2))
    assert (np.asarray(first) == np.asarray(last)).all()
    assert opened((SHARES * 65535).astype("uint16")).getextrema() == (0, 65535)
    assert opened((colour * 65535).astype("uint16")).getextrema()[0] == (0, 255)
    assert opened(SHARES * 1.05).getextrema() == (0, 255)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(5), np.zeros((2, 3, 4, 3)), np.zeros((5, 4, 2)), np.zeros((0, 5)), np.array([["a"]])],
    ids=lambda array: str(array.shape),
)
def test_arrays_that_are_no_image_are_told(wrong: Any) -> None:
    with pytest.raises(InvalidInput, match="is not an image"):
        encode_image(wrong)


def test_an_animation_stays_one() -> None:
    frames = [RAMP.convert("RGB"), Image.new("RGB", (16, 16), "red")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert encode_image(out.getvalue()).data == out.getvalue()
    kept = encode_image(Image.open(io.BytesIO(out.getvalue())))
    assert (kept.media_type, kept.suffix) == ("image/gif", ".gif")
    assert getattr(Image.open(io.BytesIO(kept.data)), "n_frames", 1) == 2


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_files_that_browsers_do_not_show_become_png(kind: str) -> None:
    out = io.BytesIO()
    RAMP.save(out, kind)
    assert encode_image(out.getvalue()).media_type == "image/png"
    assert encode_image(io.BytesIO(out.getvalue())).media_type == "image/png"


@pytest.mark.parametrize("junk", [b"", b"hello", b"BM" + b"\0" * 30])
def test_bytes_that_are_no_image_are_told(junk: bytes) -> None:
    with pytest.raises(InvalidInput, match="not an image file"):
        encode_image(junk)


def test_secrets_in_texts_tables_and_dicts_are_masked() -> None:
    assert KEY.encode() not in encode_text(f"use {KEY} here").data
    rows = [{"question": f"use {KEY}", "password": "hunter22", "k": 5}, {"question": "plain"}]
    for path in ("t.json", "t.csv"):
        data = encode_table(rows, path).data
        assert KEY.encode() not in data
        assert b"hunter22" not in data
        assert b"plain" in data
    assert KEY.encode() not in encode_dict({"prompt": f"use {KEY}"}).data


def test_half_characters_are_written_as_question_marks() -> None:
    assert msgspec.json.decode(encode_dict({"a\ud800": "b\ud800"}).data) == {"a?": "b?"}
    table = msgspec.json.decode(encode_table([{"a\ud800": "b\ud800"}]).data)
    assert table == {"columns": ["a?"], "rows": [["b?"]]}


def test_half_a_character_costs_nothing_of_what_was_logged_beside_it() -> None:
    write = RunWrite(
        run_id="a" * 32,
        experiment="e",
        time_ns=1,
        metrics=[MetricWrite("loss", 0.5, 1, 1)],
        tags=[TagWrite(name="idea", value="x\ud800", time_ns=1)],
        notes=Stamped(value="\ud800", time_ns=1),
        end=RunEnd(time_ns=2, status=RunStatus.FINISHED, error="\ud800"),
    )
    (sent,) = msgspec.json.decode(run_delivery(write).body)["writes"]
    assert sent["metrics"] == [["loss", 0.5, 1, 1]]
    assert (sent["tags"][0]["value"], sent["notes"]["value"], sent["end"]["error"]) == (
        "x?",
        "?",
        "?",
    )


def test_a_figure_is_written_as_its_path_ends() -> None:
    class Figure:
        def savefig(self, out: io.BytesIO, format: str, bbox_inches: str) -> None:
            out.write(format.encode())

    class Axes:
        def get_figure(self) -> Figure:
            return Figure()

    for path, kind in (("a.svg", b"svg"), ("a", b"png"), ("a.pdf", b"pdf"), ("a.odd", b"png")):
        assert encode_figure(Figure(), path).data == kind
        assert encode_figure(Axes(), path).data == kind


def test_a_folder_is_logged_without_secrets_pipes_and_linked_folders(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    for name in ("sub/a.txt", ".env", ".hidden", "id_rsa", "c:x", "back\\slash"):
        (folder / name).write_text("x")
    (folder / os.fsdecode(b"raw\xff")).write_text("x")
    (tmp_path / "data.csv").write_text("x")
    (folder / "data.csv").symlink_to("../data.csv")
    (folder / "loop").symlink_to(".")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    names = {found.name for found in iter_folder(folder)}
    assert names == {".hidden", "back_slash", "c_x", "data.csv", "raw\ufffd", "sub/a.txt"}
    for name in names:
        check_path(name)


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(iter_folder(tmp_path / "none"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        list(iter_folder(tmp_path / "file"))


@pytest.mark.parametrize("path", ["x" * 256, "é" * 128 + "/a", "dir/", ""])
def test_paths_that_no_file_system_takes_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="artifact's path"):
        check_path(path)


@pytest.mark.parametrize("name", [5, None, b"k"])
def test_names_that_are_no_text_are_refused(name: Any) -> None:
    with pytest.raises(InvalidInput, match="a name is a text"):
        check_name(name, "metric")
