"""What a trace's spans say together, kept up to date span by span (contracts.md §1).

Pure: no SQL, no clock. The laws it must agree with are spelled out slowly in
`pellucid.testing.reference`.
"""

from typing import NamedTuple

from pellucid.core.rollup import ATTO, attodollars
from pellucid.storage.spans.sqlite.codes import COST_COUNTED, ERROR, PENDING, TOKENS_COUNTED
from pellucid.storage.spans.sqlite.nodes import Key, Labels, Node


class Flip(NamedTuple):
    """A span whose tokens or cost came to count, or ceased to."""

    node: Node
    before: int


class TraceState:
    """The merged spans of one trace, with their sums; `add` and `replace`, then `settle`."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Node] = {}
        self._clear()

    def _clear(self) -> None:
        self.children: dict[bytes, dict[bytes, Node]] = {}
        self.pending: dict[bytes, Node] = {}
        self.least_by_labels: dict[Labels, Node] = {}
        self.models: dict[str, int] = {}
        self.kinds: dict[int, int] = {}
        self.least: Node | None = None
        self.least_root: Node | None = None
        self.end_ns = 0
        self.error_count = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.cost_atto = 0
        self.cost_count = 0
        self.reported = 0
        self.estimated = 0
        self._stale = False
        """Whether only `_rebuild` can make the rest true; until then nothing else is kept up."""
        self._cyclic = False
        self._unsettled: dict[bytes, Node] = {}

    # -- one span at a time ------------------------------------------------------------------

    def add(self, node: Node) -> None:
        """Take in a span that the trace does not have yet."""
        self.nodes[node.key[1]] = node
        if not self._stale:
            self._extend(node)
            self._count(node, 1)
            self._link(node)

    def load(self, node: Node) -> None:
        """Take in a span as the store has it, its `counted` bits set."""
        self.add(node)
        self._add_counted(node)

    def replace(self, old: Node, new: Node) -> None:
        """Put a later version in the place of a span."""
        self.nodes[new.key[1]] = new
        self._stale = self._stale or not self._succeeds(old, new)
        if self._stale:
            return
        self._count(old, -1)
        self._drop_counted(old)
        self._count(new, 1)
        self._extend(new)
        siblings = self.children.get(new.parent_id) if new.parent_id is not None else None
        if siblings is not None:
            siblings[new.key[1]] = new
        new.usage_below, new.cost_below = old.usage_below, old.cost_below
        self._unsettled[new.key[1]] = new
        self._mark_ancestors(new)

    def _succeeds(self, old: Node, new: Node) -> bool:
        """Tell whether `new` can take `old`'s place without anything else being looked at."""
        return (
            new.parent_id == old.parent_id
            and new.labels == old.labels
            and new.key <= old.key
            and (new.end_ns >= old.end_ns or old.end_ns < self.end_ns)
            and (new.usage or not old.usage)
            and (new.has_cost or not old.has_cost)
        )

    def _extend(self, node: Node) -> None:
        key = node.key
        least = self.least
        if least is None or key <= least.key or least.key[1] == key[1]:
            self.least = node
        if node.parent_id is None:
            least = self.least_root
            if least is None or key <= least.key or least.key[1] == key[1]:
                self.least_root = node
        least = self.least_by_labels.get(node.labels)
        if least is not None:
            node.labels = least.labels  # one object for all that are equal
        if least is None or key <= least.key or least.key[1] == key[1]:
            self.least_by_labels[node.labels] = node
        self.end_ns = max(self.end_ns, node.end_ns)

    def _count(self, node: Node, sign: int) -> None:
        if node.status == PENDING:
            if sign > 0:
                self.pending[node.key[1]] = node
            elif self.pending.get(node.key[1]) is node:
                del self.pending[node.key[1]]
        elif node.status == ERROR:
            self.error_count += sign
        if node.model is not None:
            self.models[node.model] = self.models.get(node.model, 0) + sign
        self.kinds[node.kind] = self.kinds.get(node.kind, 0) + sign
        self.reported += sign * node.has_cost
        self.estimated += sign * (node.estimate is not None)

    # -- who carries usage and cost below whom -------------------------------------------------

    def _link(self, node: Node) -> None:
        self._unsettled[node.key[1]] = node
        children = self.children.get(node.key[1])
        if children:
            node.usage_below = any(child.usage or child.usage_below for child in children.values())
            node.cost_below = any(child.has_cost or child.cost_below for child in children.values())
        if node.parent_id is None:
            return
        self.children.setdefault(node.parent_id, {})[node.key[1]] = node
        if self._cyclic:
            return
        if node.parent_id == node.key[1] or (children and self._reaches(node)):
            self._cyclic = True
        else:
            self._mark_ancestors(node)

    def _reaches(self, node: Node) -> bool:
        """Tell whether a way up from `node` comes back to it."""
        parent_id = node.parent_id
        while parent_id is not None:
            parent = self.nodes.get(parent_id)
            if parent is None:
                return False
            if parent is node:
                return True
            parent_id = parent.parent_id
        return False

    def _mark_ancestors(self, node: Node) -> None:
        # An ancestor that is marked has marked its own ancestors: each is marked at most once.
        usage = node.usage or node.usage_below
        cost = node.has_cost or node.cost_below
        parent_id = node.parent_id
        while parent_id is not None and not self._cyclic:
            parent = self.nodes.get(parent_id)
            usage = usage and parent is not None and not parent.usage_below
            cost = cost and parent is not None and not parent.cost_below
            if parent is None or not (usage or cost):
                return
            parent.usage_below |= usage
            parent.cost_below |= cost
            self._unsettled[parent_id] = parent
            parent_id = parent.parent_id

    # -- bringing everything up to date --------------------------------------------------------

    def settle(self) -> list[Flip]:
        """Make all sums true; return the spans whose `counted` bits changed, now up to date."""
        if self._stale:
            self._rebuild()
        if self._cyclic:
            self._mark_all()
        mixed = self.reported > 0 and self.estimated > 0
        if mixed or self._cyclic:
            candidates = list(self.nodes.values())
        else:
            candidates = list(self._unsettled.values())
        self._unsettled = {}
        covered = self._covered() if mixed else frozenset()
        changed = []
        for node in candidates:
            bits = _counted_bits(node, node.key[1] in covered)
            if bits != node.counted:
                changed.append(Flip(node, node.counted))
                self._drop_counted(node)
                node.counted = bits
                self._add_counted(node)
        return changed

    def _rebuild(self) -> None:
        nodes = self.nodes
        self.nodes = {}
        self._clear()
        for node in nodes.values():
            node.usage_below = node.cost_below = False
            self.load(node)

    def _mark_all(self) -> None:
        """Mark from scratch where parents run in a circle: its members have no descendants."""
        circle = self._circle()
        for node in self.nodes.values():
            node.usage_below = node.cost_below = False
        for node in self.nodes.values():
            usage, cost = node.usage, node.has_cost
            parent_id = node.parent_id
            while parent_id is not None and parent_id not in circle and (usage or cost):
                parent = self.nodes.get(parent_id)
                if parent is None:
                    break
                usage = usage and not parent.usage_below
                cost = cost and not parent.cost_below
                parent.usage_below |= usage
                parent.cost_below |= cost
                parent_id = parent.parent_id

    def _circle(self) -> set[bytes]:
        """Return the ids of all spans that are their own ancestors."""
        circle: set[bytes] = set()
        seen: dict[bytes, int] = {}
        for number, start in enumerate(self.nodes):
            path: list[bytes] = []
            at: bytes | None = start
            while at is not None and at in self.nodes and at not in seen:
                seen[at] = number
                path.append(at)
                at = self.nodes[at].parent_id
            if at is not None and seen.get(at) == number and at in self.nodes:
                circle.update(path[path.index(at) :])
        return circle

    def _covered(self) -> frozenset[bytes]:
        """Return the spans that have an ancestor whose reported cost is counted."""
        circle = self._circle() if self._cyclic else set()
        known: dict[bytes, bool] = {}
        for start in self.nodes.values():
            path: list[bytes] = []
            node = start
            verdict = False
            while True:
                if node.key[1] in known:
                    verdict = known[node.key[1]]
                    break
                path.append(node.key[1])
                parent_id = node.parent_id
                parent = self.nodes.get(parent_id) if parent_id is not None else None
                if parent is None or parent.key[1] in circle:
                    break
                if parent.has_cost and not parent.cost_below:
                    verdict = True
                    break
                node = parent
            for span_id in path:
                known[span_id] = verdict
        return frozenset(span_id for span_id, is_covered in known.items() if is_covered)

    def _add_counted(self, node: Node, sign: int = 1) -> None:
        if node.counted & TOKENS_COUNTED:
            self.tokens_in += sign * node.tokens.input
            self.tokens_out += sign * node.tokens.output
        if node.counted & COST_COUNTED:
            self.cost_atto += sign * attodollars(counted_cost(node))
            self.cost_count += sign

    def _drop_counted(self, node: Node) -> None:
        self._add_counted(node, -1)

    # -- the trace's fields --------------------------------------------------------------------

    @property
    def root(self) -> Node:
        """The least parentless span, else the least of all."""
        root = self.least_root or self.least
        assert root is not None, "a trace has a span"
        return root

    @property
    def start_ns(self) -> int:
        """The first start."""
        assert self.least is not None, "a trace has a span"
        return self.least.key[0]

    @property
    def pending_seen_ns(self) -> int:
        """The last news of a pending span; 0 if none is pending."""
        return max((node.seen_ns for node in self.pending.values()), default=0)

    @property
    def status(self) -> int:
        """Pending if any span is, else the root's."""
        return PENDING if self.pending else self.root.status

    @property
    def kind_bits(self) -> int:
        """Its spans' kinds: bit n stands for `codes.KINDS[n]`."""
        return sum(1 << kind for kind, count in self.kinds.items() if count)

    @property
    def cost(self) -> float | None:
        """The sum of counted costs; None if there is none."""
        return self.cost_atto / ATTO if self.cost_count else None

    def shared(self) -> tuple[str | None, str | None, dict[str, str]]:
        """Return session, user and tags: the root's, else the least span's that has one."""
        root = self.root.labels
        session, user = root.session_id, root.user_id
        tags: dict[str, str] = {}
        for node in sorted(self.least_by_labels.values(), key=_by_key):
            labels = node.labels
            session = session or labels.session_id
            user = user or labels.user_id
            for name, value in labels.tags:
                tags.setdefault(name, value)
        return session, user, tags


def _by_key(node: Node) -> Key:
    return node.key


def counted_cost(node: Node) -> float:
    """Return the cost that a span whose cost is counted brings: reported, else estimated."""
    return node.cost or node.estimate or 0.0


def _counted_bits(node: Node, covered: bool) -> int:
    bits = 0
    if node.usage and not node.usage_below:
        bits = TOKENS_COUNTED
    if node.has_cost:
        if not node.cost_below:
            bits |= COST_COUNTED
    elif bits and node.cost is None and node.estimate is not None:
        if not node.cost_below and not covered:
            bits |= COST_COUNTED
    return bits
