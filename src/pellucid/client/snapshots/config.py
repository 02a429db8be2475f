"""Any object that holds a configuration → plain JSON, secrets masked."""

import argparse
import dataclasses
import sys
from typing import Any

from pellucid.client.encoding import simplify
from pellucid.client.snapshots.secrets import mask_text

_SHORTEST = 15
_MAX_DEPTH = 100


def resolve_config(config: Any) -> Any:
    """Return a dict, dataclass, pydantic model, argparse namespace or OmegaConf node as JSON.

    Values under names of secrets are masked, and so are texts that look like one. Returns None
    for None.
    """
    if config is None:
        return None
    return mask_values(simplify(plain(config)))


def plain(config: Any, depth: int = 0) -> Any:
    """Return what holds a configuration as dicts and lists; anything else as it is.

    So is what stands deeper than any configuration, as in an object that holds itself.
    """
    if depth > _MAX_DEPTH:
        return config
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is not None and omegaconf.OmegaConf.is_config(config):
        try:
            return omegaconf.OmegaConf.to_container(config, resolve=True)
        except Exception:  # an interpolation that cannot be resolved is the user's
            return omegaconf.OmegaConf.to_container(config, resolve=False)
    if isinstance(config, argparse.Namespace):
        return vars(config)
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        names = [field.name for field in dataclasses.fields(config)]
        return {name: plain(getattr(config, name), depth + 1) for name in names}
    dump = getattr(config, "model_dump", None)
    if callable(dump) and not isinstance(config, type):
        try:
            return dump(mode="json")
        except Exception:  # a field that pydantic cannot show: simplify reads what it can
            return config
    if isinstance(config, dict):
        return {key: plain(value, depth + 1) for key, value in config.items()}
    return config


def mask_values(value: Any) -> Any:
    """Return a JSON value whose texts have no secrets, found by what they look like."""
    if isinstance(value, dict):
        return {key: mask_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_values(item) for item in value]
    return mask_text(value) if isinstance(value, str) and len(value) > _SHORTEST else value
