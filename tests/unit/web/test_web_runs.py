"""What the pages of runs work out: cells, columns, charts, verdicts, diffs, previews."""

import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.client.tracking.files import encode_table
from pellucid.core.run import (
    Artifact,
    Direction,
    LineagePoint,
    MetricSeries,
    ParamConflict,
    Run,
    RunStatus,
)
from pellucid.core.trace import ExperimentSummary
from pellucid.server.services.artifacts import ArtifactService
from pellucid.server.services.threads import Threads
from pellucid.server.web.charts import draw_metric, nice_ticks, path_of, smoothed
from pellucid.server.web.comparing import figure_rows, judge, setting_rows
from pellucid.server.web.diff_lines import read_diff
from pellucid.server.web.history import draw_history
from pellucid.server.web.measures import (
    Goals,
    format_change,
    format_measure,
    goal_of,
    read_value,
    verdict_of,
    write_order,
)
from pellucid.server.web.page import Place
from pellucid.server.web.pages.runs import Group, Row, RunsPage
from pellucid.server.web.parallel import draw_parallel
from pellucid.server.web.previews import preview_artifact, preview_bytes
from pellucid.server.web.runs_table import (
    View,
    cell_of,
    describe_columns,
    pick_columns,
    pick_value,
)
from pellucid.storage.artifacts.local import LocalArtifactStore
from pellucid.storage.meta.run_search import parse_order

HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'"


def make_run(number: int = 1, **fields: Any) -> Run:
    held: dict[str, Any] = {
        "id": f"{number:032x}",
        "experiment": "bluray-agent",
        "number": number,
        "name": f"run {number}",
        "status": RunStatus.FINISHED,
        "start_ns": 1_000_000_000,
        "end_ns": 3_000_000_000,
        "heard_ns": 3_000_000_000,
        "parent_id": None,
        "params": {},
        "metrics": {},
        "tags": {},
        "scores": {},
        "notes": "",
        "snapshot_id": None,
        "parent_snapshot_id": None,
        "error": None,
        "source": {},
        "conflicts": [],
    }
    return Run(**held | fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9123, "0.912"),
        (12.3456, "12.35"),
        (123.456, "123.5"),
        (8568.0, "8,568"),
        (672_929_010_123.4, "6.73e+11"),
        (1_795_524_540, "1.80e+09"),
        (0.00001234, "1.23e-05"),
        (math.nan, "NaN"),
        (-math.inf, "−∞"),
        (True, "yes"),
        ("good", "good"),
        (None, ""),
    ],
)
def test_measures_keep_three_figures(value: Any, text: str) -> None:
    assert format_measure(value) == text


def test_changes_are_per_cent_where_that_means_something() -> None:
    assert format_change(0.771, 0.912) == "+18%"
    assert format_change(100, 101) == "+1.0%"
    assert format_change(0, 3) == "+3"
    assert format_change(1, 50) == "×50"
    assert format_change(None, 3) == format_change("a", "b") == ""


def test_the_name_tells_which_way_is_better() -> None:
    assert goal_of("accuracy") == goal_of("lossless_share") == "max"
    assert {goal_of(n) for n in ("val_loss", "cost_usd", "p95_latency", "errors")} == {"min"}
    assert verdict_of(1, 2, "max") == verdict_of(2, 1, "min") == "better"
    assert verdict_of(1, 1, "max") == verdict_of(math.nan, 1, "max") == ""


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_every_ordering_that_is_offered_can_be_read(name: str) -> None:
    order = write_order(f"metric.{name}", descending=True)
    assert order == "" if '"' in name else parse_order(order, 0).keys[0].descending


def test_a_score_and_the_metric_of_its_mean_have_one_column() -> None:
    runs = [make_run(n, metrics={"right": n / 9}, scores={"right": n / 9}) for n in (1, 2)]
    assert pick_columns(runs) == ("score.right",)


def test_a_nested_param_is_shown_by_its_leaves() -> None:
    runs = [
        make_run(n, params={"seed": 1, "r": {"k": n, "kind": "bm25", "deep": {"x.y": [n]}}})
        for n in (1, 2)
    ]
    assert pick_columns(runs)[0] == "param.r.k"
    assert "param.r" not in pick_columns(runs)
    assert read_value(runs[1], "param.r.k") == 2
    assert read_value(runs[1], "param.r.deep.x.y") == [2]
    assert read_value(runs[1], "param.r.nothing") is read_value(runs[1], "param.r.deep") is None
    shown = [(row.name, row.values) for row in setting_rows(runs)]
    assert shown == [
        ("r.deep.x.y", ["[1]", "[2]"]),
        ("r.k", ["1", "2"]),
        ("r.kind", ["bm25", "bm25"]),
        ("seed", ["1", "1"]),
    ]


def test_columns_that_differ_come_first_and_constant_ones_last() -> None:
    runs = [
        make_run(n, params={"seed": 1, "k": n, "size": n % 2}, metrics={"loss": 1.0, "acc": n / 9})
        for n in range(1, 4)
    ]
    assert pick_columns(runs) == (
        "param.k",
        "param.size",
        "param.seed",
        "metric.acc",
        "metric.loss",
    )
    assert pick_value(runs, pick_columns(runs)) == "metric.acc"


def test_a_header_sorts_down_then_up_then_not_at_all() -> None:
    runs = [make_run(metrics={"acc": 0.5})]
    view = View(base="/runs")
    links = []
    for _ in range(3):
        _, (column,) = describe_columns(view, ("metric.acc",), runs)
        links.append(column.href)
        order = column.href.partition("order=")[2].partition("&")[0].replace("+", " ")
        view = View(base="/runs", order=order)
    assert "desc" in links[0]
    assert "asc" in links[1]
    assert "order" not in links[2]


def test_a_view_keeps_all_of_itself_in_its_links() -> None:
    view = View(base="/r", query="a b", columns=("param.k",), baseline=3, group="tag.x")
    link = view.link(order="number asc")
    assert link == "/r?query=a+b&order=number+asc&group=tag.x&baseline=3&col=param.k"
    assert ("col", "param.k") in view.hidden("query")


def test_best_so_far_is_a_staircase() -> None:
    values = [0.5, 0.4, 0.9, None, 0.7]
    best: float | None = None
    points = []
    for number, value in enumerate(values, 1):
        is_best = value is not None and (best is None or value > best)
        best = value if is_best else best
        points.append(
            LineagePoint(
                run_id=str(number),
                number=number,
                name="",
                start_ns=0,
                snapshot_id=None,
                parent_run_id=None,
                value=value,
                best=best,
                is_best=is_best,
            )
        )
    history = draw_history(points, baseline=2)
    assert history.best is not None
    assert (history.best.number, history.best_value, history.run_count) == (3, "0.900", 4)
    assert history.stairs.count("V") == 1
    assert history.baseline_at is not None
    assert draw_history([], baseline=None).dots == []


def test_charts_leave_out_what_is_no_number() -> None:
    series = MetricSeries(
        run_id="a", name="loss", steps=[1, 2, 3], times_ns=[0, 10, 20], values=[2.0, "NaN", 1.0]
    )
    chart = draw_metric("loss", [("#1", series)], by_time=False, smoothing=0.5)
    (line,) = chart.lines
    assert line.path.count("L") == 1
    assert line.raw
    assert line.last == "1"
    assert chart.rows == [["1", "2"], ["3", "1"]]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0, 0.95))
def test_smoothing_stays_within_the_values(values: list[float], weight: float) -> None:
    smooth = smoothed(values, weight)
    assert len(smooth) == len(values)
    assert smooth[0] == pytest.approx(values[0], abs=1e-3)
    assert min(values) - 1e-3 <= min(smooth) <= max(smooth) <= max(values) + 1e-3


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_enclose_the_range(low: float, width: float) -> None:
    ticks = nice_ticks(low, low + width)
    room = max(abs(low), width) * 1e-6
    assert ticks[0] <= low + room
    assert ticks[-1] >= low + width - room
    assert 2 <= len(ticks) <= 7


def test_long_lines_are_thinned_but_keep_their_peaks() -> None:
    ys = [50.0] * 10_000
    ys[7_777] = 1.0
    path = path_of([float(x) for x in range(10_000)], ys)
    assert path.count("L") < 900
    assert " 1.00" in path


def test_the_verdict_of_two_runs_names_the_changes() -> None:
    runs = [
        make_run(12, metrics={"accuracy": 0.8, "cost_usd": 0.2, "same": 1.0}),
        make_run(52, metrics={"accuracy": 0.9, "cost_usd": 0.1, "same": 1.0}),
    ]
    verdict = judge(runs, figure_rows(runs))
    assert verdict.headline == "#52 is better in 2 of 3 measures"
    assert "accuracy rose from 0.800 to 0.900." in verdict.detail
    assert "may be chance" in verdict.detail
    assert figure_rows(runs)[-1].name == "same"


def test_the_verdict_of_mixed_results_counts_both_sides() -> None:
    runs = [
        make_run(1, metrics={"accuracy": 0.8, "cost_usd": 0.1}),
        make_run(2, metrics={"accuracy": 0.9, "cost_usd": 0.2}),
    ]
    assert judge(runs, figure_rows(runs)).headline == "#2 is better in 1 measure and worse in 1"


def test_the_verdict_says_when_a_run_is_not_finished_or_nothing_is_shared() -> None:
    runs = [make_run(1, metrics={"a": 1.0}), make_run(2, status=RunStatus.CRASHED)]
    verdict = judge(runs, figure_rows(runs))
    assert verdict.headline == "#1 and #2 measure the same"
    assert "#2 is not finished" in verdict.detail
    three = [*runs, make_run(3, metrics={"a": 2.0})]
    assert judge(three, figure_rows(three)).headline == "No run stands out"


def test_params_that_differ_come_first_and_missing_ones_differ() -> None:
    rows = setting_rows([make_run(1, params={"a": 1, "b": None}), make_run(2, params={"a": 1})])
    assert [(row.name, row.differs) for row in rows] == [("b", True), ("a", False)]


def test_a_changed_line_has_its_words_marked() -> None:
    lines = read_diff("@@ -1,2 +1,2 @@\n keep\n-K = 6\n+K = 9\n")
    assert [line.kind for line in lines] == ["hunk", "same", "removed", "added"]
    assert [(w.change, w.text) for w in lines[3].words if w.change != "same"] == [("added", "9")]
    assert [line.number for line in lines] == [None, 1, 2, 2]


def test_previews_go_by_what_the_bytes_are() -> None:
    assert preview_bytes("a.txt", b"\0\1").kind == "binary"
    assert preview_bytes("a.json", b'{"a": 1}').kind == "json"
    assert preview_bytes("a.json", b"{broken").kind == "text"
    table = preview_bytes("a.csv", b"x,y\n1,2\n" * 500)
    assert (table.kind, len(table.rows), table.is_cut) == ("table", 201, True)


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_hostile_names_stay_text_in_the_table() -> None:
    run = make_run(
        name=HOSTILE,
        params={HOSTILE: HOSTILE},
        metrics={HOSTILE: 1.0},
        tags={HOSTILE: HOSTILE},
        notes=HOSTILE,
        conflicts=[ParamConflict(name=HOSTILE, kept=1, others=[2])],
    )
    experiment = ExperimentSummary(
        name=HOSTILE,
        slug="x",
        trace_count=0,
        error_count=0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
        first_ns=None,
        last_ns=None,
        run_count=1,
    )
    view = View(base="/experiments/x/runs", query=HOSTILE, order=HOSTILE, group=HOSTILE)
    own, columns = describe_columns(view, pick_columns([run]), [run])
    cells = [cell_of(run, column, None) for column in columns]
    row = Row(run=run, cells=cells, change="", verdict="", is_best=True)
    page = RunsPage(
        title=HOSTILE,
        place=Place.of(experiment, "runs"),
        experiment=experiment,
        view=view,
        fault=None,
        faulty="",
        own=own,
        columns=columns,
        value_name=HOSTILE,
        goal="max",
        pinned=row,
        groups=[Group(label=HOSTILE, count=1, href=view.link(), rows=[row])],
        count=1,
        best=run,
        best_value=HOSTILE,
        next_url=None,
        is_later=False,
        history_url=view.link(),
        columns_url=view.link(),
        group_choices=[HOSTILE],
    )
    parsed = _Collector()
    parsed.feed(str(page.render()))
    assert not [tag for tag, attributes in parsed.tags if attributes.get("src") == "x"]
    assert all(attributes.get("src") for tag, attributes in parsed.tags if tag == "script")
    assert not [name for _, a in parsed.tags for name in a if name.startswith("on")]
    assert any(HOSTILE in text for text in parsed.text)


def test_a_declared_direction_counts_more_than_the_name() -> None:
    goals = Goals({"loss": Direction.MAXIMIZE, "gap": Direction.MINIMIZE})
    assert [goals.of(name) for name in ("loss", "metric.loss", "score.gap", "cost")] == [
        *("max", "max", "min", "min")
    ]
    assert [goals.is_guessed(name) for name in ("metric.loss", "cost")] == [False, True]
    runs = [make_run(1, metrics={"gap": 2.0}), make_run(2, metrics={"gap": 1.0})]
    assert judge(runs, figure_rows(runs)).headline == "#2 is worse in its only measure"
    assert judge(runs, figure_rows(runs, goals)).headline == "#2 is better in its only measure"
    assert pick_value(runs, ("metric.gap",), goals) == "metric.gap"


def test_axes_are_the_params_that_differ_and_lines_the_runs_with_the_value() -> None:
    runs = [
        make_run(
            number,
            params={"k": number % 3, "rate": 10.0**-number, "same": 1, "model": f"m{number % 2}"}
            | ({"odd": [number]} if number == 1 else {}),
            metrics={"acc": number / 10} if number else {},
        )
        for number in range(6)
    ]
    drawn = draw_parallel(runs, "metric.acc")
    assert [axis.label for axis in drawn.axes] == ["k", "rate", "model", "acc"]
    assert [axis.is_log for axis in drawn.axes] == [False, True, False, False]
    assert drawn.axes[0].marks == [0.0, 1.0, 2.0]
    assert drawn.axes[2].categories == ["m0", "m1"]
    assert (len(drawn.lines), drawn.run_count) == (5, 6)
    assert drawn.lines[0][1:] == (1, [0.5, 1.0, 1.0, 0.0], True)
    narrowed = draw_parallel(runs, "metric.acc", {runs[3].id})
    assert narrowed.axes == drawn.axes
    assert [line[1] for line in narrowed.lines if line[3]] == [3]
    assert all(0 <= place <= 1 for _, _, places, _ in drawn.lines for place in places if place)
    assert draw_parallel(runs[:1], "metric.acc").axes == []
    assert draw_parallel([], "").lines == []


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("ab"),
            st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
        ),
        max_size=6,
    )
)
def test_whatever_params_are_the_lines_stay_on_their_axes(params: list[dict[str, Any]]) -> None:
    runs = [make_run(n, params=one, metrics={"m": float(n)}) for n, one in enumerate(params)]
    drawn = draw_parallel(runs, "metric.m")
    for _, _, places, _ in drawn.lines:
        assert len(places) == len(drawn.axes)
        assert all(place is None or 0 <= place <= 1 for place in places)


async def test_a_logged_table_is_shown_as_one_whatever_its_path(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path)
    threads = Threads("test", 1)
    service = ArtifactService(store, threads)
    rows = [{"question": "How high?", "right": True, "height": 10.283}, {"question": "a,b"}]
    shown = []
    for path in ("answers.json", "answers.csv", "odd.csv"):
        content = encode_table(rows, "" if path == "odd.csv" else path)
        artifact = Artifact(
            run_id="0" * 32,
            path=path,
            digest=store.put(content.data),
            size_bytes=len(content.data),
            media_type=content.media_type,
            time_ns=1,
            kind="table",
            key=None,
            step=None,
            prompt=None,
            model=None,
            metadata={},
        )
        shown.append((await preview_artifact(service, artifact)).rows)
    threads.close()
    assert (
        shown[0]
        == shown[2]
        == [
            ["question", "right", "height"],
            ["How high?", "yes", "10.28"],
            ["a,b", "", ""],
        ]
    )
    assert shown[1][1:] == [["How high?", "True", "10.283"], ["a,b", "", ""]]
