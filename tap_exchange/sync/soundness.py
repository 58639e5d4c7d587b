"""Whether a given state is whole: what a hand or a half-written file broke is refused before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from tap_exchange.sync.bookmarks import FolderMark, StateRefusedError, StoreMark

if TYPE_CHECKING:
    from typing import TypeGuard

DAMAGED = "The state is damaged: give the last STATE that the loader put out, or remove it to load everything again."


def check_state(feeds: object) -> None:
    """Check that the feeds of a state are built as a run left them; raises StateRefusedError."""
    if not isinstance(feeds, Mapping) or not _is_sound(feeds):
        raise StateRefusedError(DAMAGED)


def _is_sound(feeds: Mapping[str, Any]) -> bool:
    tap = feeds.get("_tap")
    if isinstance(tap, Mapping) and "as_of" in tap and not _is_moment(tap["as_of"]):
        return False
    mailboxes = [stores for name, stores in feeds.items() if name != "_tap"]
    return all(isinstance(stores, Mapping) and all(_is_store(mark) for mark in stores.values()) for stores in mailboxes)


def _is_store(mark: object) -> bool:
    if not _has_types(mark, STORE) or ("hierarchy" in mark and "folders" not in mark):
        return False
    return all(_has_types(folder, FOLDER) for folder in mark.get("folders", {}).values())


def _is_moment(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False


def _has_types(mark: object, types: Mapping[str, tuple[type, ...]]) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(mark, Mapping) and all(
        isinstance(value, types.get(name, (object,))) for name, value in mark.items()
    )


def _json_types(mark: type) -> dict[str, tuple[type, ...]]:
    """Tell how the values of a mark stand in JSON."""
    return {name: tuple(_json_type(part) for part in _parts(hint)) for name, hint in get_type_hints(mark).items()}


def _parts(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _json_type(hint: Any) -> type:  # noqa: ANN401 - a type
    plain = get_origin(hint) or hint
    if plain in {str, int, bool, NoneType, list}:
        return plain  # type: ignore[no-any-return]
    return dict


STORE = _json_types(StoreMark)
FOLDER = _json_types(FolderMark)
