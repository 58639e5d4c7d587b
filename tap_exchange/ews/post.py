"""One request over HTTP: the envelope posted, the whole answer read, within bounds.

A body is read piece by piece, so that neither its size nor its slowness is unbounded; what arrived
is compared with the Content-Length, which requests does not always do. Who reads a body as it
comes gets the pieces; else they are gathered.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from .errors import IncompleteAnswer
from .xml import MOST_BYTES, too_big

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PIECE = 64 * 1024
OK = 200
# Bytes a second: an answer that comes slower than this, once its time is over, is as good as none.
SLOWEST = 64 * 1024
# Others, or one inside another, could blow up beyond any bound while they are being decoded.
ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
HEADERS = {
    "Content-Type": "text/xml; charset=utf-8",
    "Accept": "text/xml",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's status, headers (case-insensitive) and decoded body; `wire` counts its bytes as they came.

    The body is None when its pieces were taken as they came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    wire: int


class TooSlowError(Exception):
    """The whole of an answer did not arrive in time, though its pieces did."""


def prepared(
    session: requests.Session, url: str, headers: Mapping[str, str], payload: bytes
) -> requests.PreparedRequest:
    """Prepare a POST with the session's headers, cookies and sign-in.

    `Session.prepare_request` would take the address apart anew, and look for what is in no request of ours: queries,
    files, forms.
    """
    request = requests.PreparedRequest()
    request.method = "POST"
    request.url = _normal(url)
    request.headers = CaseInsensitiveDict({**session.headers, **headers})  # type: ignore[arg-type] # no bytes
    request.body = payload
    request.prepare_cookies(session.cookies)
    request.prepare_auth(session.auth, request.url)
    request.prepare_content_length(payload)
    return request


@lru_cache(maxsize=64)
def _normal(url: str) -> str:
    """Write an address as it goes over the wire."""
    return requests.Request("POST", url).prepare().url or url


def post(
    session: requests.Session,
    request: requests.PreparedRequest,
    *,
    timeout: tuple[float, float],
    longest: float,
    check: Callable[[], None],
    most: int = MOST_BYTES,
    take: Callable[[bytes], None] | None = None,
) -> Reply:
    """Send a prepared request and read its whole answer; no redirect is followed.

    Args:
        session: Has the connection.
        request: What is sent.
        timeout: Seconds to connect, and between two pieces of the answer.
        longest: Seconds that the body may take, and longer for what arrives faster than `SLOWEST`.
        check: Called between the pieces; what it raises ends the reading.
        most: Bytes that the decoded answer may have.
        take: Gets the pieces of a good answer (status 200) as they come; what it raises ends the reading.

    Raises:
        requests.RequestException, urllib3.exceptions.HTTPError: the connection failed.
        IncompleteAnswer: the body was cut or cannot be decoded.
        TooSlowError: it takes too long.
        RequestTooBig: it is larger than `most`.
    """
    # What the session's settings say is said here, or requests asks them again for each request.
    response = session.send(
        request,
        stream=True,
        timeout=timeout,
        allow_redirects=False,
        verify=session.verify,
        cert=session.cert,
        proxies=session.proxies,
    )
    deadline = time.monotonic() + longest
    try:
        taken = take if response.status_code == OK else None
        body = _read(response.raw, deadline, check, most, taken)
        return Reply(response.status_code, response.headers, body, _whole(response))
    except BaseException:
        response.close()
        raise


def _read(
    raw: Any,  # noqa: ANN401 - urllib3's
    deadline: float,
    check: Callable[[], None],
    most: int,
    take: Callable[[bytes], None] | None,
) -> bytes | None:
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise IncompleteAnswer("the answer is packed in a way that was not asked for", code="IncompleteAnswer")
    whole = io.BytesIO()  # gives its bytes without a copy
    size = 0
    try:
        while piece := raw.read1(PIECE, decode_content=True):
            size += len(piece)
            if size > most:
                raise too_big(most)
            if take is None:
                whole.write(piece)
            else:
                take(piece)
            check()
            if time.monotonic() > deadline + size / SLOWEST:
                raise TooSlowError
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as error:
        raise _cut() from error
    return whole.getvalue() if take is None else None


def _whole(response: requests.Response) -> int:
    """Count the bytes that arrived; see that they are as many as the header promised."""
    arrived: int = response.raw.tell()
    promised = response.headers.get("Content-Length", "")
    if promised.isdecimal() and int(promised) != arrived:
        raise _cut()
    return arrived


def _cut() -> IncompleteAnswer:
    return IncompleteAnswer("the answer was cut on its way", code="IncompleteAnswer")
