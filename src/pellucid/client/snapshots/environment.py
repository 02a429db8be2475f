"""Where a run runs: packages, Python, platform, and names (never values) of variables."""

import fnmatch
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.client.snapshots.cache import ProjectCache
from pellucid.client.snapshots.secrets import mask_text
from pellucid.core.digest import digest_bytes

ALLOWED_NAMES = (
    "PELLUCID_*",
    "OTEL_*",
    "PYTHON*",
    "CUDA_*",
    "NVIDIA_*",
    "HF_*",
    "TRANSFORMERS_*",
    "TOKENIZERS_*",
    "OPENAI_*",
    "ANTHROPIC_*",
    "AZURE_*",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "GOOGLE_*",
    "GEMINI_*",
    "MISTRAL_*",
    "COHERE_*",
    "GROQ_*",
    "OLLAMA_*",
    "LANGCHAIN_*",
    "LANGSMITH_*",
    "LANG",
    "LC_*",
    "TZ",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def read_environment(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return Python, platform, and which of the variables on the allow-list are set."""
    names = os.environ if environ is None else environ
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sys.platform,
        "system": platform.system(),
        "machine": platform.machine(),
        "variables": sorted(
            name
            for name in names
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in ALLOWED_NAMES)
        ),
    }


def read_packages(cache: ProjectCache) -> dict[str, str]:
    """Return every installed package → its version, or `URL` where it came from one.

    Reading a hundred of them takes 50 ms, so they are kept while the folders stay as they are.
    """
    key = _folders_key()
    if cache.packages and cache.packages_key == key:
        return cache.packages
    packages: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name.lower().replace("_", "-") not in packages:
            packages[name.lower().replace("_", "-")] = _version(distribution)
    cache.packages = dict(sorted(packages.items()))
    cache.packages_key = key
    return cache.packages


def requirement(name: str, version: str) -> str:
    """Return the line that installs a package as `read_packages` saw it."""
    return f"{name} @ {version}" if ":" in version else f"{name}=={version}"


def read_command() -> list[str]:
    """Return the process's arguments, the program by name, secrets masked."""
    arguments = list(getattr(sys, "orig_argv", sys.argv))
    if arguments:
        arguments[0] = Path(arguments[0]).name
    shown: list[str] = []
    for number, argument in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        shown.append(_masked_argument(before, argument))
    return shown


def _masked_argument(before: str, argument: str) -> str:
    from pellucid.client.masking import MASK, is_secret_name

    name, equals, _ = argument.partition("=")
    if equals and name.startswith("-") and is_secret_name(name):
        return f"{name}={MASK}"
    if before.startswith("-") and "=" not in before and is_secret_name(before):
        return argument if argument.startswith("-") else MASK
    return mask_text(argument[:4096])


def _version(distribution: importlib.metadata.Distribution) -> str:
    text = distribution.read_text("direct_url.json")
    if text is None:
        return distribution.version
    try:
        origin = json.loads(text)
        url = str(origin["url"])
    except (ValueError, KeyError, TypeError):
        return distribution.version
    vcs = origin.get("vcs_info") or {}
    if vcs.get("commit_id"):
        return mask_text(f"{vcs.get('vcs', 'git')}+{url}@{vcs['commit_id']}")
    if url.startswith("file:"):
        # The path means something on this machine; the version is what another can use.
        editable = (origin.get("dir_info") or {}).get("editable")
        return url if editable or url.endswith((".whl", ".gz")) else distribution.version
    return mask_text(url)


def _folders_key() -> str:
    marks = [sys.version]
    for entry in sys.path:
        try:
            status = os.stat(entry or ".")
        except OSError:
            continue
        if "site-packages" in entry or "dist-packages" in entry:
            marks.append(f"{entry} {status.st_mtime_ns} {status.st_ino}")
    return digest_bytes("\n".join(marks).encode())
