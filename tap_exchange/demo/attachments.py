"""What hangs on an item: files, other items, references to files elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment: `element` is FileAttachment, ItemAttachment or ReferenceAttachment.

    `properties` are its other elements by name; an attached item is (element, properties).
    """

    element: str = "FileAttachment"
    name: str = "attachment.bin"
    content: bytes = b""
    content_type: str | None = None
    item: tuple[str, dict[str, Any]] | None = None
    properties: dict[str, Any] = field(default_factory=dict)
