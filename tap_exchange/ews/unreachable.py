"""What a failed connection means: one line for a person, and whether trying again can help.

Only what OpenSSL, the resolver and the socket say is looked at, never a response.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests import exceptions as requests_errors
from urllib3 import exceptions as urllib3_errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a host was not reached; `lasting` when the next try will end the same way."""

    code: str
    text: str
    lasting: bool


# OpenSSL's X509_V_ERR_... numbers
CERTIFICATE_FAULTS = {
    9: "is not valid yet: check this machine's clock",
    10: "has expired: have it renewed",
    18: "is self-signed: put it into ca_bundle if you trust it",
    19: "comes from an authority that is not trusted here: put that authority into ca_bundle",
    20: "comes from an authority that is not trusted here: put that authority into ca_bundle",
    21: "comes from an authority that is not trusted here: put that authority into ca_bundle",
    23: "was revoked",
    62: "is for another host: check its name",
    64: "is for another host: check its name",
}
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})


def trouble(error: BaseException, url: str) -> Trouble:
    """Tell what `error`, raised by requests for `url`, means."""
    parts = urlsplit(url)
    host = parts.hostname or "the server"
    causes = list(_causes(error))
    for find in (_certificate, _proxy, _tls, _kerberos):
        found = find(causes, host)
        if found is not None:
            return found
    for kind, code, text, lasting in _KINDS:
        if any(isinstance(one, kind) for one in causes):
            port = parts.port or (80 if parts.scheme == "http" else 443)
            return Trouble(code, text.format(host=host, port=port), lasting)
    return Trouble("ConnectionError", f"the connection to {host} failed", lasting=False)


_KINDS: tuple[tuple[type[BaseException], str, str, bool], ...] = (
    (urllib3_errors.LocationParseError, "UnknownHost", "{host} is no valid host name", True),
    (urllib3_errors.NameResolutionError, "UnknownHost", "the host {host} is unknown: check the address", True),
    (socket.gaierror, "UnknownHost", "the host {host} is unknown: check the address", True),
    (ConnectionRefusedError, "ConnectionRefused", "{host} refuses connections to port {port}: check the address", True),
    (requests_errors.ConnectTimeout, "NoAnswer", "{host} does not answer on port {port}: check the address", True),
    (requests_errors.Timeout, "Timeout", "{host} took too long to answer", False),
    (TimeoutError, "Timeout", "{host} took too long to answer", False),
    (ConnectionError, "ConnectionReset", "{host} broke the connection", False),
    (requests_errors.ChunkedEncodingError, "ConnectionReset", "{host} broke the connection", False),
    (urllib3_errors.ProtocolError, "ConnectionReset", "{host} broke the connection", False),
    (OSError, "Unreachable", "{host} cannot be reached from here", False),
)  # fmt: skip


def _certificate(causes: list[BaseException], host: str) -> Trouble | None:
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            fault = CERTIFICATE_FAULTS.get(one.verify_code, f"is not accepted (code {one.verify_code})")
            return Trouble("CertificateError", f"the certificate of {host} {fault}", lasting=True)
    return None


def _proxy(causes: list[BaseException], _: str) -> Trouble | None:
    """Tell what the proxy did, without its address, which may hold a password."""
    if not any(isinstance(one, requests_errors.ProxyError) for one in causes):
        return None
    said = " ".join(str(one) for one in causes if isinstance(one, OSError))
    if "407" in said:
        text = "the proxy wants a user and password: give them in proxy_url"
        return Trouble("ProxyAuthentication", text, lasting=True)
    if "Tunnel connection failed" in said:
        return Trouble("ProxyError", "the proxy refuses to reach the server", lasting=True)
    return Trouble("ProxyError", "the proxy cannot be reached: check proxy_url", lasting=True)


def _tls(causes: list[BaseException], host: str) -> Trouble | None:
    failed = [one for one in causes if isinstance(one, ssl.SSLError)]
    if any(isinstance(one, ssl.SSLEOFError) for one in failed):
        return None  # a connection that was cut, as without TLS
    if not failed and not any(isinstance(one, requests_errors.SSLError) for one in causes):
        return None
    reason = next((one.reason for one in failed if one.reason), "")
    if reason in NOT_TLS:
        text = f"{host} does not speak TLS on this port: check the address"
    elif "CERTIFICATE" in reason:
        text = f"{host} refuses the client certificate ({reason}): check client_certificate"
    else:
        text = f"no TLS connection with {host}{f' ({reason})' if reason else ''}"
    return Trouble("TLSError", text, lasting=True)


def _kerberos(causes: list[BaseException], host: str) -> Trouble | None:
    if not any(type(one).__module__.startswith("requests_gssapi") for one in causes):
        return None
    text = f"the Kerberos sign-in with {host} failed: check the ticket (klist) and the host name"
    return Trouble("KerberosError", text, lasting=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk to everything an error was made of: causes, contexts, reasons and arguments."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting.extend(each for each in linked if isinstance(each, BaseException))
