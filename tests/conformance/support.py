"""What the tests of the embedded Exchange share: Microsoft's schema, a bare client, checked answers."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests
from lxml import etree

from tap_exchange.demo import serve
from tap_exchange.demo.faultplan import Answer, Fault
from tap_exchange.demo.soap import MESSAGES, SOAP, TYPES
from tap_exchange.demo.validation import Validator
from tests.elements import XSD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from tap_exchange.demo import Exchange
    from tap_exchange.demo.server import Server
    from tap_exchange.demo.soap import Call

S, M, T = f"{{{SOAP}}}", f"{{{MESSAGES}}}", f"{{{TYPES}}}"
REFERENCE = re.compile(rb"&#x([0-9A-Fa-f]+);")


def schema_folder() -> Path | None:
    """Give the folder of Microsoft's schema where there is one."""
    return XSD if (XSD / "messages.xsd").exists() else None


class CheckedAnswers(Fault):
    """Check every answer against the schema; strange characters are set aside first."""

    def __init__(self, folder: Path, *, unknown_elements: bool = False) -> None:
        self._validator = Validator(folder)
        self._unknown = unknown_elements
        self.checked = 0
        self.problems: list[str] = []

    def after(self, call: Call, answer: Answer) -> Answer:
        readable = REFERENCE.sub(lambda match: b"?" if _forbidden(int(match[1], 16)) else match[0], answer.body)
        root = etree.fromstring(readable, etree.XMLParser(huge_tree=True))
        problem = self._validator.problem(root.find(f"{S}Body")[0])
        self.checked += 1
        if problem is not None and not (self._unknown and "This element is not expected" in problem):
            self.problems.append(f"{call.operation}: {problem}")
        return answer


def _forbidden(code: int) -> bool:
    return (code < 0x20 and code not in {9, 10, 13}) or 0xD800 <= code <= 0xDFFF or code in {0xFFFE, 0xFFFF}


@contextmanager
def served(exchange: Exchange, **options: object) -> Iterator[Server]:
    """Serve a world with its requests and answers checked."""
    folder = schema_folder()
    unknown = bool(options.pop("unknown_elements", False))
    with serve(exchange, xsd=folder, **options) as server:
        checks = CheckedAnswers(folder, unknown_elements=unknown) if folder is not None else None
        if checks is not None:
            server.faults.add(checks)
        yield server
    if checks is not None:
        assert checks.problems == []


class Client:
    """A client that sends what it is told and reads strictly."""

    def __init__(self, server: Server, username: str = "anna@example.com", password: str = "secret") -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (username, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def post(self, body: str, header: str = "", version: str = "Exchange2016") -> requests.Response:
        """Send the inside of a SOAP body."""
        envelope = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
            f'<s:Header><t:RequestServerVersion Version="{version}"/>{header}</s:Header>'
            f"<s:Body>{body}</s:Body></s:Envelope>"
        )
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        return self.session.post(self.server.url, data=envelope.encode(), headers=headers, timeout=30)

    def ask(self, body: str, header: str = "") -> list[etree._Element]:
        """Send a request and give its response messages."""
        response = self.post(body, header)
        assert response.status_code == 200, response.text
        root = etree.fromstring(response.content, etree.XMLParser(huge_tree=True))
        return list(root.find(f"{S}Body")[0].find(f"{M}ResponseMessages"))

    def fault(self, body: str, header: str = "", version: str = "Exchange2016") -> str:
        """Send a request that fails as a whole and give its code."""
        response = self.post(body, header, version)
        assert response.status_code == 500, response.text
        return etree.fromstring(response.content).findtext(".//{*}ResponseCode")

    # -- the operations, briefly

    def items(self, *ids: str, shape: str = "<t:BaseShape>IdOnly</t:BaseShape>") -> list[etree._Element]:
        """Load items."""
        listed = "".join(f'<t:ItemId Id="{item_id}"/>' for item_id in ids)
        return self.ask(f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{listed}</m:ItemIds></m:GetItem>")

    def item(self, item_id: str, shape: str = "<t:BaseShape>AllProperties</t:BaseShape>") -> etree._Element:
        """Load one item that is there."""
        (message,) = self.items(item_id, shape=shape)
        assert code(message) == "NoError"
        return message.find(f"{M}Items")[0]

    def sync(
        self, folder: str, state: str | None = None, limit: int = 512, ignore: tuple[str, ...] = (), scope: str = ""
    ) -> Page:
        """Ask for a page of a folder's changes."""
        ignored = "".join(f'<t:ItemId Id="{item_id}"/>' for item_id in ignore)
        (message,) = self.ask(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            f'<m:SyncFolderId><t:FolderId Id="{folder}"/></m:SyncFolderId>'
            + (f"<m:SyncState>{state}</m:SyncState>" if state else "")
            + (f"<m:Ignore>{ignored}</m:Ignore>" if ignored else "")
            + f"<m:MaxChangesReturned>{limit}</m:MaxChangesReturned>"
            + (f"<m:SyncScope>{scope}</m:SyncScope>" if scope else "")
            + "</m:SyncFolderItems>"
        )
        return Page(message, "IncludesLastItemInRange")

    def hierarchy(self, root: str, state: str | None = None) -> Page:
        """Ask for the changes of the folders below a root."""
        (message,) = self.ask(
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
            f'<m:SyncFolderId><t:FolderId Id="{root}"/></m:SyncFolderId>'
            + (f"<m:SyncState>{state}</m:SyncState>" if state else "")
            + "</m:SyncFolderHierarchy>"
        )
        return Page(message, "IncludesLastFolderInRange")


class Page:
    """A page of a sync: (kind, id) of its changes, its state, whether it is the last."""

    def __init__(self, message: etree._Element, flag: str) -> None:
        self.code = code(message)
        self.state = message.findtext(f"{M}SyncState")
        self.last = message.findtext(f"{M}{flag}") == "true"
        self.elements = list(message.iterfind(f"{M}Changes/*"))
        self.changes = [(element.tag.removeprefix(T), _id(element)) for element in self.elements]


def _id(change: etree._Element) -> str:
    first = change[0]
    return first.get("Id") or first[0].get("Id")


def code(message: etree._Element) -> str:
    """Give a response message's code."""
    return message.findtext(f"{M}ResponseCode")


def texts(element: etree._Element) -> dict[str, str | None]:
    """Give the simple children of an item by name."""
    return {child.tag.removeprefix(T): child.text for child in element}
