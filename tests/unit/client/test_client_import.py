import subprocess
import sys

HEAVY = (
    "httpx http.client ssl google.protobuf opentelemetry.proto zstandard numpy pandas litestar "
    "uvicorn sqlalchemy jinja2 click rich openai langchain llama_index requests"
).split()


def loaded_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True
    ).stdout
    return set(out.split())


def test_import_loads_next_to_nothing() -> None:
    loaded = loaded_after("import pellucid")
    assert not [name for name in loaded if name.startswith("opentelemetry")]
    assert not loaded & set(HEAVY)


def test_init_and_a_span_load_nothing_that_only_sending_needs() -> None:
    loaded = loaded_after(
        "import pellucid\n"
        "pellucid.init()\n"
        "@pellucid.trace\n"
        "def f(): ...\n"
        "import sys, threading\n"
        "threading.Thread.start = lambda self: None\n"
        "f()"
    )
    base = loaded_after("import opentelemetry.sdk.trace")
    assert "opentelemetry.sdk.trace" in base <= loaded
    assert not (loaded - base) & set(HEAVY)


def test_the_facade_lists_what_it_gives() -> None:
    import pellucid

    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    assert dir(pellucid) == pellucid.__all__ == sorted(set(pellucid.__all__))
