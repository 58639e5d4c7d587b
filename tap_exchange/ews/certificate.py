"""A client certificate with its private key: read, checked, and given to TLS or to msal.

The setting holds the name of a PEM file or the PEM text itself. Nothing of its content is ever
part of a message.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from .errors import FatalError

if TYPE_CHECKING:
    import ssl

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from tap_exchange.settings import Settings

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate (its chain after it) and its private key, as PEM text."""

    certificates: str
    key: str = field(repr=False)
    password: str | None = field(repr=False)
    rsa: bool

    def load_into(self, context: ssl.SSLContext) -> None:
        """Present this certificate in the TLS handshakes of `context`.

        OpenSSL reads files only: one stands in the temporary folder meanwhile, readable by its
        owner alone.
        """
        with tempfile.TemporaryDirectory(prefix="tap-exchange-") as folder:
            path = Path(folder, "client.pem")
            path.touch(mode=0o600)
            path.write_text(f"{self.certificates}\n{self.key}\n", encoding="ascii")
            context.load_cert_chain(path, password=self.password or "")


def client_certificate(settings: Settings) -> ClientCertificate:
    """Read `client_certificate`; see that key and certificate fit each other and are in date.

    Raises:
        FatalError: in one line, what is wrong with it.
    """
    text = _text(settings.client_certificate or "")
    certificates = CERTIFICATE.findall(text)
    key = KEY.search(text)
    if not certificates or key is None:
        absent = "private key" if certificates else "certificate"
        raise FatalError(f"client_certificate holds no {absent} in PEM form; it needs both")
    password = settings.client_certificate_password
    private = _private_key(key.group(), password)
    first = _certificate(certificates[0])
    _check_dates(first)
    if _public_bytes(first.public_key()) != _public_bytes(private.public_key()):
        raise FatalError("client_certificate: the private key does not belong to the certificate")
    encrypted = "ENCRYPTED" in key.group()
    return ClientCertificate(
        certificates="\n".join(certificates),
        key=key.group(),
        password=password if encrypted else None,
        rsa=isinstance(private, RSAPrivateKey),
    )


def _text(setting: str) -> str:
    if "-----BEGIN " in setting:
        return setting.replace("\\n", "\n")  # as environment files write line breaks
    try:
        return Path(setting).read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise FatalError("client_certificate must be a PEM file, not PFX or DER") from None
    except OSError as error:
        raise FatalError(f"client_certificate cannot be read ({error.strerror})") from None


def _private_key(pem: str, password: str | None) -> PrivateKeyTypes:
    encrypted = "ENCRYPTED" in pem
    if encrypted and password is None:
        raise FatalError("client_certificate_password is missing: the key in client_certificate is encrypted")
    try:
        return load_pem_private_key(pem.encode("ascii"), password.encode() if encrypted and password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        hint = "; is client_certificate_password right?" if encrypted else ""
        raise FatalError(f"client_certificate: its private key cannot be read{hint}") from None


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode("ascii"))
    except ValueError:
        raise FatalError("client_certificate: its certificate cannot be read") from None


def _check_dates(certificate: x509.Certificate) -> None:
    now = datetime.now(timezone.utc)
    if certificate.not_valid_after_utc < now:
        day = certificate.not_valid_after_utc.date()
        raise FatalError(f"client_certificate expired on {day}: get a new one")
    if certificate.not_valid_before_utc > now:
        day = certificate.not_valid_before_utc.date()
        raise FatalError(f"client_certificate is not valid before {day}: check this clock")


def _public_bytes(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
