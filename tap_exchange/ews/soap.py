"""The SOAP envelope: one text per mailbox and version, the body spliced in; answers opened.

exchangelib builds this header as a tree for every request, from an account and a service; the same
three elements are written here once and reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from .answers import ServerInfo
from .ask import escape
from .elements import child, child_text
from .errors import IncompleteAnswer
from .faults import MESSAGES, SOAP, TYPES, Fault, message_fault

if TYPE_CHECKING:
    from lxml.etree import _Element

_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">'
    '<s:Header><t:RequestServerVersion Version="{version}"/>{identity}</s:Header><s:Body>'
)
_CLASS = b"ResponseClass="
_END = "</s:Body></s:Envelope>"
_IMPERSONATION = (
    "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>{address}"
    "</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
)


@lru_cache(maxsize=4096)
def _opening(version: str, impersonated: str) -> str:
    identity = _IMPERSONATION.format(address=escape(impersonated)) if impersonated else ""
    return _ENVELOPE.format(version=escape(version), identity=identity)


def envelope(body: str, version: str, impersonated: str = "") -> bytes:
    """Wrap an operation's text; `impersonated` is the address to act as, "" for oneself."""
    return f"{_opening(version, impersonated)}{body}{_END}".encode()


@dataclass(frozen=True, slots=True)
class Message:
    """One response message: its element, and its fault unless it is a success."""

    element: _Element
    fault: Fault | None


def opened(root: _Element) -> tuple[_Element | None, _Element | None]:
    """Open an envelope: its operation's response, or its fault.

    Raises:
        IncompleteAnswer: it is no SOAP envelope with one element in its body.
    """
    body = child(root, f"{SOAP}Body") if root.tag == f"{SOAP}Envelope" else None
    if body is None or len(body) != 1:
        raise IncompleteAnswer("the server's answer is not one of EWS", code="IncompleteAnswer")
    content = body[0]
    return (None, content) if content.tag == f"{SOAP}Fault" else (content, None)


def messages(response: _Element, operation: str) -> list[Message]:
    """List the response messages of an operation's response.

    An operation that answers without such a list is its own single message.

    Raises:
        IncompleteAnswer: it answers another operation, or a message is neither success nor error.
    """
    if response.tag != f"{MESSAGES}{operation}Response":
        raise IncompleteAnswer(
            f"{operation} was answered with something else",
            code="IncompleteAnswer",
        )
    alone = child(response, f"{MESSAGES}ResponseMessage")
    if alone is not None:  # beside what it is about
        return [Message(response, _message(alone, operation).fault)]
    listed = child(response, f"{MESSAGES}ResponseMessages")
    nodes = [response] if listed is None else list(listed)
    if not nodes:
        raise IncompleteAnswer(
            f"{operation} was answered without a response message",
            code="IncompleteAnswer",
        )
    return [_message(node, operation) for node in nodes]


def _message(node: _Element, operation: str) -> Message:
    outcome = node.get("ResponseClass")
    code = child_text(node, f"{MESSAGES}ResponseCode")
    code = code and code.strip()
    if code is None or code == "NoError":
        if outcome == "Success" or (outcome == "Warning" and code == "NoError"):
            return Message(node, None)
    elif outcome in {"Success", "Warning", "Error"}:
        return Message(node, message_fault(node))
    lacking = ": a message lacks its ResponseClass" if outcome is None else ""
    raise IncompleteAnswer(
        f"{operation} was answered neither with success nor with an error{lacking}",
        code="IncompleteAnswer",
    )


def is_all_success(answer: bytes) -> bool:
    """Tell at a glance, without reading it, that no message of an answer is an error; False when in doubt.

    The schema gives each response message its ResponseClass; a fault has none.
    """
    first = answer.find(_CLASS)
    quote = answer[first + len(_CLASS) : first + len(_CLASS) + 1]
    return first >= 0 and answer.rfind(_CLASS + quote + b"Error") < 0  # from behind: half the time of `in`


def server_info(root: _Element) -> ServerInfo | None:
    """Read what the server says of itself in the header, None when it says nothing."""
    header = root.find(f"{SOAP}Header")
    said = None if header is None else header.find(f"{TYPES}ServerVersionInfo")
    if said is None:
        return None
    names = ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber")
    build = ".".join([_plain(said.get(name, "0")) for name in names])
    return ServerInfo(build, said.get("Version", ""))


def _plain(number: str) -> str:
    """Drop leading zeros ("042"), as every list of builds does."""
    return str(int(number)) if number.isdecimal() else "0"
