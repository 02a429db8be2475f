"""`pellucid run`: a program of the user's, traced without a change to it."""

import builtins
import contextlib
import importlib.machinery
import os
import runpy
import signal
import sys
import types
import zipfile
from types import TracebackType
from typing import Any

import click

_FLUSH_S = 5.0
_EXIT_FAILED = 1


class _Run(click.Command):
    """What follows the program's name is the program's, options too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("-m") + 2 if "-m" in args else len(args)
        before = args[: at - 2]
        if all(
            word.startswith("-") or before[i - 1] == "--experiment" for i, word in enumerate(before)
        ):
            args = [*args[:at], "--", *args[at:]] if at < len(args) else args
        return super().parse_args(ctx, args)


@click.command(cls=_Run, context_settings={"allow_interspersed_args": False})
@click.option("-m", "module", metavar="MODULE", help="Run a module, as `python -m` does.")
@click.option("--experiment", help="What its traces are filed under.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[SCRIPT] [ARGUMENTS]...")
def run(module: str | None, experiment: str | None, arguments: tuple[str, ...]) -> None:
    """Trace a program without touching its code.

    Runs SCRIPT, or the module that -m names, as `python` would: with its arguments, its output
    and its exit code. Every supported framework that it uses is traced.
    """
    if module is None and not arguments:
        raise click.UsageError("Name a script, or a module with -m.")
    if module is None and not os.path.exists(arguments[0]):
        raise click.UsageError(f"There is no file {arguments[0]!r}.")
    _start_tracing(experiment)
    with contextlib.ExitStack() as stack:
        stack.callback(_flush)
        code = _run(module, arguments)
    if code is None:
        return
    if code == -signal.SIGINT:
        _die_of_interrupt()
    sys.exit(code)


def _start_tracing(experiment: str | None) -> None:
    import pellucid

    pellucid.init(experiment=experiment)
    pellucid.autolog()


def _flush() -> None:
    import pellucid

    sys.stdout.flush()
    pellucid.flush(timeout=_FLUSH_S)


def _run(module: str | None, arguments: tuple[str, ...]) -> Any:
    """Run the program to its end and return what it would have exited with."""
    try:
        if module is not None:
            _run_module(module, arguments)
        else:
            _run_script(arguments)
    except SystemExit as leaving:
        return leaving.code
    except BaseException as error:
        error.__traceback__ = _programs_own(error.__traceback__)
        if isinstance(error, ImportError) and error.__traceback__ is None:
            click.echo(f"Error: {error}", err=True)
            return _EXIT_FAILED
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else _EXIT_FAILED
    return None


def _run_module(module: str, arguments: tuple[str, ...]) -> None:
    sys.argv = [module, *arguments]
    sys.path[0] = os.getcwd()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _run_script(arguments: tuple[str, ...]) -> None:
    script = arguments[0]
    sys.argv = list(arguments)
    if not os.path.isfile(script) or zipfile.is_zipfile(script):
        sys.path.pop(0)  # the folder or archive stands there itself
        runpy.run_path(script, run_name="__main__")
        return
    path = os.path.abspath(script)
    sys.path[0] = os.path.dirname(os.path.realpath(script))
    # `runpy` would take the module away at the end; threads and exit handlers still need it.
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(
        __file__=path, __loader__=loader, __builtins__=builtins, __cached__=None, __annotations__={}
    )
    sys.modules["__main__"] = main
    code = compile(loader.get_data(path), path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _programs_own(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from where the program's own code begins."""
    found = traceback
    while found is not None and _is_launcher(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found


def _is_launcher(filename: str) -> bool:
    return filename in {__file__, runpy.__file__, "<frozen runpy>"}


def _die_of_interrupt() -> None:
    """End as the interpreter does after Ctrl-C, so that a shell sees what happened."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
