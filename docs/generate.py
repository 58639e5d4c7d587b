"""Write the parts of README.md and meltano.yml that are told by the code: `make docs`.

Each part stands between two marker lines that name it. tests/unit/test_docs.py fails when a
file and `rendered(file)` differ.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tap_exchange import resources
from tap_exchange.resources import ITEM_STREAMS
from tap_exchange.settings import OPTIONS, meltano_settings
from tap_exchange.settings_rules import NEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_exchange.settings import Option

ROOT = Path(__file__).resolve().parent.parent
ORDER = (
    "mailboxes",
    "folders",
    *ITEM_STREAMS,
    "attachments",
    "calendar_view",
    "listed_items",
    "item_changes",
    "corrupt_items",
    "folder_syncs",
    "sync_runs",
    "inbox_rules",
    "out_of_office",
    "delegates",
    "rooms",
)
# A setting decides about these columns, whether they are selected or not.
DECIDED_BY_SETTINGS = ("mime_content",)
ENDPOINTS = ("ews_url", "autodiscover")
ENTRY = ("name", "kind", "value", "label", "description", "sensitive", "options")  # in Meltano's order
# What the SDK adds for the capabilities that meltano.yml declares.
OF_THE_SDK = [
    {"name": "stream_maps", "label": "Stream maps", "kind": "object"},
    {"name": "stream_map_config", "label": "Stream map configuration", "kind": "object"},
    {"name": "faker_config", "label": "Faker configuration", "kind": "object"},
    {"name": "flattening_enabled", "label": "Schema flattening", "kind": "boolean"},
    {"name": "flattening_max_depth", "label": "Flattening depth", "kind": "integer"},
    {"name": "flattening_max_key_length", "label": "Flattening key length", "kind": "integer"},
    {"name": "flattening_separator", "label": "Flattening separator", "kind": "string"},
]


def rendered(path: Path) -> str:
    """Return the file's text with every generated part made anew."""
    text = path.read_text(encoding="utf-8")
    for name, part in PARTS[path.name].items():
        marked = re.compile(rf"^([ \t]*)(# |<!-- ){name}: begin( -->)?\n(?:.*\n)*?\1\2{name}: end\b", re.MULTILINE)
        text, found = marked.subn(lambda match, make=part: _between(match, make()), text)
        if found != 1:
            message = f"{path.name} has no marks for {name}"
            raise ValueError(message)
    return text


def streams_table() -> str:
    """Return the README's table of streams: mailboxes and folders, items, then how the sync went."""
    rows = ["| stream | key | what |", "|---|---|---|"]
    names = resources.schema_names()
    for name in sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        schema = resources.schema(name)
        key = ", ".join(f"`{column}`" for column in schema["key_properties"])
        rows.append(f"| `{name}` | {key} | {_cell(schema['description'])} |")
    return "\n".join(rows)


def settings_table() -> str:
    """Return the README's tables of settings, one for each group."""
    tables = []
    for group, options in itertools.groupby(OPTIONS, key=lambda option: option.group):
        rows = [f"**{group}**", "", "| setting | default | what |", "|---|---|---|"]
        rows += [_row(option) for option in options]
        tables.append("\n".join(rows))
    return "\n\n".join(tables)


def meltano_plugin() -> str:
    """Return what settings must be together, all settings and the select rules, as Meltano itself writes them."""
    groups: list[list[str]] = [["ews_url"]]  # demo:// and kerberos
    for needs in NEEDS.values():
        for one in itertools.product(ENDPOINTS, *needs):
            if list(one) not in groups and len(one) > 1:
                groups.append(list(one))
    settings = [{key: entry[key] for key in ENTRY if key in entry} for entry in (*meltano_settings(), *OF_THE_SDK)]
    parts = {"settings_group_validation": groups, "settings": settings, "select": _selection()}
    return yaml.dump(parts, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def _selection() -> list[str]:
    """Return the select rules: everything but the streams and columns that are off by default.

    Meltano's own `*.*` would switch those on, too. A column that is off wherever it occurs gets one rule.
    """
    rules = ["*.*"]
    off: dict[str, list[str]] = {}
    on: set[str] = set()
    for name in resources.schema_names():
        schema = resources.schema(name)
        if schema.get("x-selected-by-default") is False:
            rules.append(f"!{name}.*")
            continue
        for column, about in schema["properties"].items():
            if about.get("x-selected-by-default") is False and column not in DECIDED_BY_SETTINGS:
                off.setdefault(column, []).append(name)
            else:
                on.add(column)
    for column, streams in sorted(off.items()):
        rules += [f"!{name}.{column}" for name in streams] if column in on else [f"!*.{column}"]
    return rules


def _between(match: re.Match[str], part: str) -> str:
    indent, opening, closing = match[1], match[2], match[3] or ""
    name = re.split(r"[:]", match[0].strip().removeprefix(opening))[0]
    blank = "\n" if closing else ""
    body = "\n".join(indent + line if line else line for line in part.splitlines())
    return f"{indent}{opening}{name}: begin{closing}\n{blank}{body}\n{blank}{indent}{opening}{name}: end"


class _Dumper(yaml.SafeDumper):
    """Write short lists in one line."""


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    short = all(isinstance(one, str) for one in value) and not any("." in one for one in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = '"' if "'" in value and ": " in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def _row(option: Option) -> str:
    about = _cell(option.help)
    if option.choices:
        about += " One of: " if option.kind == "string" else " Any of: "
        about += ", ".join(f"`{choice}`" for choice in option.choices) + "."
    if option.secret:
        about += " *Secret.*"
    return f"| `{option.name}` | {_default(option)} | {about} |"


def _default(option: Option) -> str:
    value = option.default
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"streams": streams_table, "settings": settings_table},
    "meltano.yml": {"from the code": meltano_plugin},
}


if __name__ == "__main__":
    for file_name in PARTS:
        (ROOT / file_name).write_text(rendered(ROOT / file_name), encoding="utf-8")
