"""A small encyclopedia, written for the demo agent: what it needs, and much that it does not."""

from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One paragraph of an article; `id` is stable, for instance `blu-ray#2`."""

    id: str
    title: str
    text: str

    @property
    def searchable(self) -> str:
        """Title and text, which is what indexes are built from."""
        return f"{self.title}\n{self.text}"


def load_corpus() -> list[Chunk]:
    """Return every paragraph of every article, in the order of the file."""
    source = files(__package__).joinpath("articles.md").read_text(encoding="utf-8")
    chunks = []
    for article in source.split("# ")[1:]:
        title, _, body = article.partition("\n")
        for number, paragraph in enumerate(body.strip().split("\n\n"), start=1):
            slug = title.lower().replace(" ", "-")
            chunks.append(Chunk(id=f"{slug}#{number}", title=title, text=paragraph))
    return chunks
