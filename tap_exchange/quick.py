"""What is answered without the SDK: `--version`, and `--discover` with or without configuration files.

Importing the SDK takes longer than either. Whatever is out of the ordinary is left to it, errors among that; a test
keeps both answers equal.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "tap-exchange"
PREFIX = "TAP_EXCHANGE_"
"""Of settings in the environment, which count where no file is given."""


def main() -> None:
    """Run the command line."""
    text = answer(sys.argv[1:])
    if text is not None:
        print(text)  # noqa: T201 - the answer
        return
    from tap_exchange.tap import main as run  # noqa: PLC0415 - the reason of this module

    run()


def answer(arguments: Sequence[str]) -> str | None:
    """Return the answer to the arguments, None when it takes the SDK."""
    try:
        if list(arguments) == ["--version"]:
            return f"{NAME} v{version(NAME)}, Meltano SDK v{version('singer-sdk')}"
        files = config_files(arguments)
        if files is not None:
            return json.dumps(catalog(merged(files)), indent=2, separators=(",", ":"))
    except (PackageNotFoundError, OSError, ValueError, TypeError):
        return None
    return None


def config_files(arguments: Sequence[str]) -> list[str] | None:
    """Return the configuration files of a plain `--discover`, None for any other command line."""
    files: list[str] = []
    discovers = False
    rest = iter(arguments)
    for argument in rest:
        if argument == "--discover":
            discovers = True
        elif argument == "--config":
            files.append(next(rest, "ENV"))
        elif argument.startswith("--config="):
            files.append(argument.removeprefix("--config="))
        else:
            return None
    given = files or not any(name.startswith(PREFIX) for name in os.environ)
    return files if discovers and given and "ENV" not in files else None


def merged(files: Sequence[str]) -> dict[str, Any]:
    """Return the settings of all files, the later ones over the earlier."""
    config: dict[str, Any] = {}
    for name in files:
        settings = json.loads(Path(name).read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise TypeError(name)
        config.update(settings)
    return config


def catalog(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the catalog of all streams, as the SDK makes it of `ExchangeStream`; raises ValueError for settings."""
    from tap_exchange.settings import SettingsError  # noqa: PLC0415
    from tap_exchange.streams.discovery import stream_maps  # noqa: PLC0415

    try:
        maps = stream_maps(config)
    except SettingsError as error:
        raise ValueError from error
    return {"streams": [entry(name, described) for name, described in sorted(maps.items())]}


def entry(name: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream's entry in the catalog."""
    from tap_exchange.resources import without_extensions  # noqa: PLC0415
    from tap_exchange.streams.discovery import OFF_BY_DEFAULT, REQUIRED  # noqa: PLC0415

    is_selected = name not in OFF_BY_DEFAULT
    stream = {
        "inclusion": "automatic" if name in REQUIRED else "available",
        "selected": is_selected,
        "selected-by-default": is_selected,
        "table-key-properties": described["key_properties"],
        "forced-replication-method": "LOG_BASED",
    }
    return {
        "tap_stream_id": name,
        "replication_method": "LOG_BASED",
        "key_properties": described["key_properties"],
        "schema": {"properties": without_extensions(described["properties"]), "type": "object"},
        "stream": name,
        "metadata": [*columns(described), {"breadcrumb": [], "metadata": stream}],
    }


def columns(described: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the metadata of a stream's columns and of their parts."""
    for column, schema in described["properties"].items():
        is_automatic = column in described["key_properties"] or schema.get("x-inclusion") == "automatic"
        metadata: dict[str, Any] = {"inclusion": "automatic" if is_automatic else "available"}
        if schema.get("x-selected-by-default") is False:
            metadata["selected-by-default"] = False
        yield {"breadcrumb": ["properties", column], "metadata": metadata}
        yield from parts(schema, ("properties", column))


def parts(schema: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the metadata of the properties of an object, at every depth."""
    for name, described in schema.get("properties", {}).items():
        place = (*above, "properties", name)
        yield {"breadcrumb": list(place), "metadata": {"inclusion": "available"}}
        yield from parts(described, place)
