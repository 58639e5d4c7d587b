"""Bodies as they are asked for: HTML, text or the best there is, cut to a size, or as a MIME message."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from tap_exchange.demo import values
from tap_exchange.demo.values import Address, Body

TAGS = re.compile(r"<[^>]*>")
HEADERS = (("From", "From"), ("ToRecipients", "To"), ("CcRecipients", "Cc"))
NOT_IN_MIME = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


def as_body(value: Body | str) -> Body:
    """Take plain text, or text that looks like HTML, for a body."""
    return value if isinstance(value, Body) else Body(value, html=value.lstrip()[:1] == "<")


def as_text(value: Body | str) -> str:
    """Give a body as plain text."""
    body = as_body(value)
    if not body.html:
        return body.content
    _, begin, rest = body.content.partition("<body")
    text = rest.partition(">")[2] if begin else body.content
    return html.unescape(TAGS.sub("", text))


def body_xml(name: str, value: Body | str | None, kind: str, limit: int) -> str:
    """Write a body as kind (HTML, Text or Best), cut to `limit` characters if that is above 0."""
    if value is None:
        return ""
    body = as_body(value)
    if kind == "Text" and body.html:
        body = Body(as_text(body), html=False)
    elif kind == "HTML" and not body.html:
        lines = html.escape(body.content, quote=False).replace("\n", "<br>\n")
        body = Body(f"<html><body>{lines}</body></html>")
    attributes = f' BodyType="{"HTML" if body.html else "Text"}"'
    content = body.content
    if limit > 0:
        attributes += f' IsTruncated="{"true" if len(content) > limit else "false"}"'
        content = content[:limit]
    return f"<t:{name}{attributes}>{values.escape(content)}</t:{name}>"


def mime_xml(properties: dict[str, Any]) -> str:
    """Write an item's MIME content."""
    given = properties.get("MimeContent")
    content = given if isinstance(given, bytes) else mime_message(properties)
    return f'<t:MimeContent CharacterSet="UTF-8">{b64encode(content).decode()}</t:MimeContent>'


def mime_message(properties: dict[str, Any]) -> bytes:
    """Make an Internet message of an item's properties."""
    message = EmailMessage(SMTP)
    for name, header in HEADERS:
        people = properties.get(name) or ()
        people = (people,) if isinstance(people, Address) else people
        addresses = [f"<{person.email}>" for person in people if person.email and "@" in person.email]
        if addresses:
            message[header] = ", ".join(addresses)
    message["Subject"] = NOT_IN_MIME.sub("", str(properties.get("Subject") or "")).replace("\n", " ")
    body = as_body(properties.get("Body") or "")
    message.set_content(NOT_IN_MIME.sub("", body.content), subtype="html" if body.html else "plain")
    return message.as_bytes()
