"""The SOAP envelope: requests taken apart strictly, answers and faults written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from tap_exchange.demo import values
from tap_exchange.demo.codes import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_exchange.demo.endpoint import Endpoint
    from tap_exchange.demo.exchange import Account, Exchange
    from tap_exchange.demo.mailbox import Mailbox
    from tap_exchange.demo.requestlog import Request

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
S, T, M = f"{{{SOAP}}}", f"{{{TYPES}}}", f"{{{MESSAGES}}}"

MAX_REQUEST = 400 * 1024
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, huge_tree=True)

VERSIONS = frozenset(
    """Exchange2007 Exchange2007_SP1 Exchange2009 Exchange2010 Exchange2010_SP1 Exchange2010_SP2 Exchange2012
    Exchange2013 Exchange2013_SP1 Exchange2015 Exchange2016 V2015_10_05 V2016_01_06 V2016_04_13 V2016_07_13 V2016_10_10
    V2017_01_07 V2017_04_14 V2017_07_11""".split()  # noqa: SIM905 - names are easier to read as text
)


class ServiceError(Exception):
    """Say that one item, folder or mailbox of a request failed; it becomes a response message."""

    def __init__(self, code: str, text: str | None = None, values: dict[str, str] | None = None) -> None:
        """Take a response code; the text defaults to Exchange's own."""
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, "An internal server error occurred. The operation failed.")
        self.values = values or {}


class SoapFault(Exception):  # noqa: N818 - the word of the SOAP specification
    """Say that a whole request failed; it becomes a SOAP fault."""

    def __init__(
        self, code: str, text: str | None = None, *, status: int = 500, values: dict[str, str] | None = None
    ) -> None:
        """Take a response code and the HTTP status, 500 for all that Exchange itself refuses."""
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, "An internal server error occurred. The operation failed.")
        self.status = status
        self.values = values or {}


def whole(text: str | None, low: int, high: int) -> int:
    """Read a whole number between two others from a request.

    Raises:
        SoapFault: ErrorSchemaValidation, when it is none.
    """
    if text is not None and text.strip().lstrip("-").isdecimal() and low <= int(text) <= high:
        return int(text)
    raise SoapFault("ErrorSchemaValidation", f"The value '{text}' is no whole number between {low} and {high}.")


@dataclass(slots=True)
class Call:
    """A request on its way through the server."""

    exchange: Exchange
    operation: str
    body: etree._Element
    account: Account
    server: Endpoint
    record: Request
    version: str = "Exchange2007"
    mailbox: Mailbox | None = None
    """The mailbox the request acts as: the account's own, or the impersonated one."""
    impersonated: bool = False


def parse_envelope(raw: bytes) -> tuple[etree._Element | None, etree._Element]:
    """Take a request apart into its SOAP header, if any, and the element of its operation.

    Raises:
        SoapFault: when it is too big, not XML, or no SOAP envelope.
    """
    if len(raw) > MAX_REQUEST:
        raise SoapFault("ErrorRequestStreamTooBig")
    try:
        root = etree.fromstring(raw, PARSER)
    except etree.XMLSyntaxError as error:
        raise SoapFault("ErrorInvalidRequest", f"The request failed XML parsing. {error.msg}") from error
    body = root.find(f"{S}Body")
    if root.tag != f"{S}Envelope" or body is None or len(body) != 1:
        raise SoapFault("ErrorInvalidRequest")
    return root.find(f"{S}Header"), body[0]


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What the server says it is; Exchange 2019 unless told otherwise."""

    major: int = 15
    minor: int = 2
    build: int = 1544
    revision: int = 11
    schema: str = "V2017_07_11"

    def attributes(self) -> str:
        """Write the attributes of the ServerVersionInfo."""
        return (
            f'MajorVersion="{self.major}" MinorVersion="{self.minor}" MajorBuildNumber="{self.build}" '
            f'MinorBuildNumber="{self.revision}" Version="{self.schema}"'
        )


def frame(version: ServerVersion) -> tuple[str, str]:
    """Give what stands before and behind the inside of an answer's SOAP body."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header><h:ServerVersionInfo '
        f'{version.attributes()} xmlns:h="{TYPES}" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/></s:Header>'
        '<s:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    ), "</s:Body></s:Envelope>"


def envelope(body: str, version: ServerVersion) -> str:
    """Wrap an answer."""
    head, tail = frame(version)
    return head + body + tail


def envelope_bytes(body: str, version: ServerVersion) -> bytes:
    """Wrap an answer as it is sent; bodies are large, so none is copied that need not be."""
    head, tail = frame(version)
    return b"".join((head.encode(), body.encode("utf-8", "surrogatepass"), tail.encode()))


def response(operation: str, messages: str) -> str:
    """Wrap the response messages of an operation."""
    return (
        f'<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>{messages}'
        f"</m:ResponseMessages></m:{operation}Response>"
    )


def messages(
    operation: str, elements: Iterable[etree._Element], write: Callable[[etree._Element], str], otherwise: str = ""
) -> str:
    """Answer one response message per element of a request, in their order; `otherwise` ends those that failed."""

    def message(element: etree._Element) -> str:
        try:
            return success(operation, write(element))
        except ServiceError as error:
            return failure(operation, error, otherwise)

    return response(operation, "".join([message(element) for element in elements]))


def success(operation: str, inside: str) -> str:
    """Write a response message that went well."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{inside}'
        f"</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: ServiceError, inside: str = "", *, kind: str = "Error") -> str:
    """Write a response message that is an error or a warning."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="{kind}"><m:MessageText>{values.escape(error.text)}'
        f"</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        f"{message_xml(error.values, 'm')}{inside}</m:{operation}ResponseMessage>"
    )


def message_xml(pairs: dict[str, str], prefix: str) -> str:
    """Write the values that explain an error."""
    if not pairs:
        return ""
    inside = "".join(
        f'<t:Value xmlns:t="{TYPES}" Name="{name}">{values.escape(value)}</t:Value>' for name, value in pairs.items()
    )
    return f"<{prefix}:MessageXml>{inside}</{prefix}:MessageXml>"


def fault(error: SoapFault, version: ServerVersion) -> str:
    """Write a SOAP fault as Exchange sends it."""
    details = message_xml(error.values, "t").replace("<t:MessageXml>", f'<t:MessageXml xmlns:t="{TYPES}">')
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}"><s:Header><h:ServerVersionInfo '
        f'{version.attributes()} xmlns:h="{TYPES}"/></s:Header><s:Body><s:Fault>'
        f'<faultcode xmlns:a="{TYPES}">a:{error.code}</faultcode>'
        f'<faultstring xml:lang="en-US">{values.escape(error.text)}</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="{ERRORS}">{error.code}</e:ResponseCode>'
        f'<e:Message xmlns:e="{ERRORS}">{values.escape(error.text)}</e:Message>'
        f"{details}</detail></s:Fault></s:Body></s:Envelope>"
    )
