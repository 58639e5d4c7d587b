"""One request over HTTP: the envelope posted, the whole answer read, within bounds.

A body is read piece by piece, so that neither its size nor its slowness is unbounded; what arrived
is compared with the Content-Length, which requests does not always do. Who reads a body as it
comes gets the pieces; else they are gathered.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from .errors import IncompleteAnswer
from .kept import ask_kept
from .reply import OK, PIECE, Bounds, Reply, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Others, or one inside another, could blow up beyond any bound while they are being decoded.
ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
HEADERS = {
    "Content-Type": "text/xml; charset=utf-8",
    "Accept": "text/xml",
    "Accept-Encoding": "gzip",
}


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
    if session.cookies:
        request.prepare_cookies(session.cookies)
    else:
        request._cookies = session.cookies  # type: ignore[attr-defined]  # noqa: SLF001 - no header, no work
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
    bounds: Bounds,
    take: Callable[[bytes], None] | None = None,
) -> Reply:
    """Send a prepared request and read its whole answer within bounds; no redirect is followed.

    `take` gets the pieces of a good answer (status 200) as they come; what it raises ends the reading.

    Raises:
        requests.RequestException, urllib3.exceptions.HTTPError, OSError: the connection failed.
        IncompleteAnswer: the body was cut or cannot be decoded.
        TooSlowError: it takes too long.
        RequestTooBig: it is too large.
    """
    if take is None:
        reply = ask_kept(session, request, bounds)
        if reply is not None:
            return reply
    # What the session's settings say is said here, or requests asks them again for each request.
    response = session.send(
        request,
        stream=True,
        timeout=bounds.timeout,
        allow_redirects=False,
        verify=session.verify,
        cert=session.cert,
        proxies=session.proxies,
    )
    bounds.begin()
    try:
        body = _read(response.raw, bounds, take if response.status_code == OK else None)
        return Reply(response.status_code, response.headers, body, _whole(response))
    except BaseException:
        response.close()
        raise


def _read(
    raw: Any,  # noqa: ANN401 - urllib3's
    bounds: Bounds,
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
            if take is None:
                whole.write(piece)
            else:
                take(piece)
            bounds.arrived(size)
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.DecodeError) as error:
        raise cut() from error
    return whole.getvalue() if take is None else None


def _whole(response: requests.Response) -> int:
    """Count the bytes that arrived; see that they are as many as the header promised."""
    arrived: int = response.raw.tell()
    promised = response.headers.get("Content-Length", "")
    # As text: int() refuses what has thousands of digits.
    if promised.isdecimal() and promised.lstrip("0") != str(arrived).lstrip("0"):
        raise cut()
    return arrived
