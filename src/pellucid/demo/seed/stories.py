"""The agents that the bulk data tells of."""

import base64
import random
from collections.abc import Callable, Iterator

from pellucid.demo.model_server.images import ImageRequest, paint_stripes
from pellucid.demo.seed.build import SeededTrace, TraceBuilder
from pellucid.semconv import attributes as names

_HOUR_NS = 3_600_000_000_000
_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1-mini", "claude-sonnet-4-5")
_USERS = ("ada", "grace", "linus", "mira", "jonas", "u-4711", "u-4712")

Story = Callable[[TraceBuilder], None]

_TICKETS = (
    ("My parcel has not moved for six days", "shipping", "It is held at customs; it moves Monday."),
    ("Charged twice for order 8841", "billing", "The second charge is being refunded today."),
    ("The app closes when I open settings", "bug", "Version 4.2.1 fixes this; please update."),
    ("How do I change the delivery address?", "account", "Under Orders, choose Edit address."),
    ("Invoice without our VAT number", "billing", "A corrected invoice is on its way by mail."),
    ("Two-factor code never arrives", "account", "The number on file ended in 17; it is updated."),
    ("Can I return opened headphones?", "returns", "Yes, within 30 days of delivery."),
)
_PASSAGES = (
    "Parcels from outside the union wait at customs for three days on average.",
    "A refund reaches the card within five working days of its approval.",
    "Opened audio products can be returned within 30 days unless hygiene seals are broken.",
    "Codes for two-factor login are sent by text message and expire after ten minutes.",
    "The delivery address can be changed until the parcel leaves the warehouse.",
    "Corrected invoices are issued on request and keep the number of the first.",
)
_CHANGES = (
    ("Retry uploads with backoff", "The retry loop sleeps while it holds the lock."),
    ("Cache the price table", "The cache is never invalidated when a price changes."),
    ("Parse dates in UTC", "Good. One test still assumes local time."),
    ("Drop Python 3.10", "Good. The classifiers in pyproject.toml still name it."),
    ("Stream the export", "The temporary file is left behind when the client disconnects."),
)
_TRIPS = (
    ("Three days in Lisbon in May, by train if possible", "Lisbon"),
    ("A quiet week near Bergen with a dog", "Bergen"),
    ("Weekend in Kyoto for four, with a garden", "Kyoto"),
    ("Two nights in Tallinn under 300 euros", "Tallinn"),
)


def support_triage(build: TraceBuilder) -> None:
    """Classify a ticket, search the handbook, act and answer."""
    rng = build.rng
    text, label, reply = rng.choice(_TICKETS)
    model = rng.choice(_MODELS)
    build.begin("support-triage", "AGENT", input=text, agent="support-triage")
    build.llm(
        "classify",
        "gpt-4o-mini",
        [("system", "Name the ticket's topic."), ("user", text)],
        label,
    )
    passages = rng.sample(_PASSAGES, 4)
    build.retrieve(text, passages)
    fate = rng.random()
    if fate < 0.12:
        build.tool("lookup_order", {"query": text}, None, error="TimeoutError: orders after 5 s")
        build.wait(200, 400)
    order = {"order": rng.randrange(8000, 9999), "status": rng.choice(["open", "sent", "held"])}
    build.tool("lookup_order", {"query": text}, order)
    prompt = [("system", "Answer from the handbook."), ("user", "\n".join([text, *passages]))]
    if fate > 0.95:
        error = "RateLimitError: too many requests for this model"
        build.llm("answer", model, prompt, "", error=error)
        build.end(error=error)
        build.trace.quality = 0.0
        return
    build.llm("answer", model, prompt, reply)
    build.end(output=reply)
    build.trace.quality = rng.betavariate(6, 2)


def code_review(build: TraceBuilder) -> None:
    """Read a change, run its tests, and comment."""
    rng = build.rng
    title, comment = rng.choice(_CHANGES)
    model = rng.choice(_MODELS[:1] + _MODELS[3:])
    files = rng.randrange(1, 6)
    build.begin("code-review", "AGENT", input={"title": title, "files": files}, agent="reviewer")
    for number in range(files):
        path = f"src/module_{number}.py"
        build.begin(f"review {path}", "CHAIN", input=path)
        build.tool("read_file", {"path": path}, "def run() -> None: ...", between_ms=(1, 20))
        build.llm("comment", model, [("system", "Review the file."), ("user", path)], comment)
        build.end(output=comment)
    failed = rng.random() < 0.15
    build.tool(
        "run_tests",
        {"command": "make test"},
        {"passed": 212, "failed": 0},
        error="AssertionError: 3 of 212 tests failed" if failed else None,
        between_ms=(800, 9000),
    )
    build.end(output=comment)
    build.trace.quality = rng.betavariate(4, 2)


def travel_planner(build: TraceBuilder) -> None:
    """Plan a trip with two agents, and draw a postcard of it."""
    rng = build.rng
    wish, place = rng.choice(_TRIPS)
    plan = f"Go to {place}: arrive in the morning, stay near the old town, leave by train."
    build.begin("travel-planner", "AGENT", input=wish, agent="planner")
    build.llm("plan", "gpt-4o", [("user", wish)], plan)
    build.begin("booking", "AGENT", input=place, agent="booking")
    for _ in range(rng.randrange(1, 4)):
        build.tool("find_hotels", {"city": place, "nights": 3}, [{"name": "Harbour", "eur": 94}])
    build.llm("choose", "gpt-4o-mini", [("user", f"Hotels in {place}")], "Harbour, 94 euros.")
    build.end(output="Harbour, 94 euros.")
    if rng.random() < 0.5:
        prompt = f"A postcard of {place}"
        png = paint_stripes(ImageRequest(prompt=prompt, width=320, height=200))
        url = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
        build.leaf(
            "postcard",
            "IMAGE",
            (2000, 9000),
            model="gpt-image-1",
            input=prompt,
            attachments=[{"uri": url, "media_type": "image/png", "name": "postcard.png"}],
        )
    build.end(output=plan)
    build.trace.quality = rng.betavariate(8, 2)


_STORIES: tuple[tuple[str, Story, float], ...] = (
    ("support-triage", support_triage, 0.6),
    ("code-review", code_review, 0.2),
    ("travel-planner", travel_planner, 0.2),
)


def seed_traces(count: int, *, end_ns: int, seed: int = 7, days: int = 7) -> Iterator[SeededTrace]:
    """Yield `count` traces of the last `days` before `end_ns`, oldest first.

    A third of them are turns of sessions; most are tagged `env: prod`.
    """
    rng = random.Random(seed)
    start_ns = end_ns - days * 24 * _HOUR_NS
    session = _Session(rng)
    for number in range(count):
        at_ns = start_ns + (end_ns - start_ns) * number // max(count, 1)
        [(experiment, story, _)] = rng.choices(_STORIES, [weight for _, _, weight in _STORIES])
        build = TraceBuilder(rng, experiment, at_ns, session.next_turn(experiment))
        story(build)
        yield build.trace


class _Session:
    """Hands out what a trace inherits; turns of one session follow each other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._turns_left: dict[str, int] = {}
        self._current: dict[str, dict[str, str]] = {}

    def next_turn(self, experiment: str) -> dict[str, str]:
        """Return user, tags and, in a session, its id."""
        rng = self._rng
        if self._turns_left.get(experiment, 0) > 0:
            self._turns_left[experiment] -= 1
            return self._current[experiment]
        env = "prod" if rng.random() < 0.8 else "staging"
        inherited = {
            names.USER_ID: rng.choice(_USERS),
            names.TAGS: f'{{"env": "{env}", "release": "2026.{rng.randrange(1, 5)}"}}',
        }
        if rng.random() < 0.2:
            inherited[names.CONVERSATION_ID] = f"chat-{rng.getrandbits(24):06x}"
            self._turns_left[experiment] = rng.randrange(1, 5)
            self._current[experiment] = inherited
        return inherited
