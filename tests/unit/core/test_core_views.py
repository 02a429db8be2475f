"""What JSON cannot say is said in words."""

import math

import msgspec
import pytest

from pellucid.core.views import with_all_numbers


def test_numbers_that_json_lacks_are_named() -> None:
    attributes = {
        "a": math.nan,
        "b": [1.5, -math.inf],
        "c": {"d": {"e": math.inf}},
        "f": 2.5,
        "g": "nan",
    }
    assert with_all_numbers(attributes) == {
        "a": "NaN",
        "b": [1.5, "-Infinity"],
        "c": {"d": {"e": "Infinity"}},
        "f": 2.5,
        "g": "nan",
    }
    assert b"null" not in msgspec.json.encode(with_all_numbers(attributes))


@pytest.mark.parametrize("attributes", [{}, {"a": 1.5, "b": [1.0], "c": {"d": None}}])
def test_what_json_can_say_stays_as_it_is(attributes: dict[str, object]) -> None:
    assert with_all_numbers(attributes) is attributes
