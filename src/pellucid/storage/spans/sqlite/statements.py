"""SQL from `sql/*.sql`: blocks opened by `-- name: …`, read once."""

from functools import cache
from importlib.resources import files


@cache
def statements(file: str) -> dict[str, str]:
    """Return the statements of `sql/<file>.sql` by name, comments left in."""
    text = (files(__package__) / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    blocks = text.split("-- name: ")[1:]
    found: dict[str, str] = {}
    for block in blocks:
        name, _, body = block.partition("\n")
        found[name.strip()] = body.strip()
    return found
