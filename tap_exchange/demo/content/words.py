"""A small stock of names and sentences, for items that nobody described more closely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_exchange.demo.values import Address

if TYPE_CHECKING:
    from random import Random

GIVEN_NAMES = "Ada Boris Chloé Dmitri Elena Farid Grace Hiro Ingrid Jürgen Katarzyna Luis Mei Nadia Olu Priya".split()  # noqa: SIM905
SURNAMES = "Adler Brandt Castillo Dvořák Eriksen Fontaine García Haddad Ito Jansen Kowalski Lindqvist Müller".split()  # noqa: SIM905
TOPICS = (
    "Budget for the third quarter", "Minutes of Monday's meeting", "Delivery dates", "Draft of the contract",
    "Question about the invoice", "Travel plans", "New starters in May", "Maintenance window", "Lunch on Thursday?",
    "Results of the survey", "Change of address", "Access to the archive", "Holiday cover", "Tender documents",
)  # fmt: skip
SENTENCES = (
    "Thank you for the quick answer.", "Please find the figures below.", "I would rather wait until Tuesday.",
    "Could you have a look before noon?", "The supplier has confirmed the date.", "Nothing has changed since.",
    "We agreed to split the work in two.", "Let me know if anything is missing.", "The room is booked until four.",
    "Nobody has objected so far.", "The numbers do not add up yet.", "I shall send the rest tomorrow.",
)  # fmt: skip


def person(number: int) -> Address:
    """Give a person by number; the same number is the same person."""
    given = GIVEN_NAMES[number % len(GIVEN_NAMES)]
    surname = SURNAMES[number // len(GIVEN_NAMES) % len(SURNAMES)]
    plain = f"{given}.{surname}{number // 208 or ''}".encode("ascii", "ignore").decode().lower()
    return Address(f"{given} {surname}", f"{plain}@partner.example", mailbox_type="OneOff")


def topic(number: int) -> str:
    """Give a subject by number."""
    return TOPICS[number % len(TOPICS)]


def sentences(number: int, count: int) -> str:
    """Give some sentences, beginning at a number."""
    return " ".join(SENTENCES[(number * 7 + n * 5) % len(SENTENCES)] for n in range(count))


def html(text: str) -> str:
    """Wrap paragraphs as the HTML that Outlook makes of them."""
    paragraphs = "".join(f'<p class="MsoNormal">{line}</p>\r\n' for line in text.split("\n"))
    return (
        '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n</head>\r\n'
        f"<body>\r\n{paragraphs}</body>\r\n</html>\r\n"
    )


def long_html(random: Random, size: int) -> str:
    """Make an HTML body of about `size` characters, the way Outlook writes one."""
    head = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40">\r\n<head>\r\n'
        '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
        "<style><!--\r\n.MsoNormal {margin:0cm; font-size:11.0pt; font-family:Calibri,sans-serif}\r\n--></style>\r\n"
        '</head>\r\n<body lang="EN-GB" link="#0563C1" vlink="#954F72">\r\n<div class="WordSection1">\r\n'
    )
    tail = "</div>\r\n</body>\r\n</html>\r\n"
    parts = [head]
    length = len(head) + len(tail)
    while length < size:
        text = " ".join(random.choice(SENTENCES) for _ in range(random.randrange(1, 6)))
        part = f'<p class="MsoNormal"><span lang="EN-US">{text} {random.randrange(10**6)}<o:p></o:p></span></p>\r\n'
        parts.append(part)
        length += len(part)
    return "".join(parts) + tail


def headers(random: Random, count: int) -> list[tuple[str, str]]:
    """Make Internet headers as they pile up on the way of a message."""
    names = ("Received", "Authentication-Results", "X-MS-Exchange-Organization-SCL", "X-Spam-Status", "Content-Type",
             "MIME-Version", "Thread-Topic", "X-Originating-IP", "DKIM-Signature", "List-Unsubscribe")  # fmt: skip
    made = []
    for number in range(count):
        host = f"mx{random.randrange(40)}.relay.example"
        address = f"192.0.2.{random.randrange(256)}"
        name = names[number % len(names)]
        made.append((name, f"from {host} ({address}) by mail.example with ESMTPS id {random.getrandbits(48):012x}"))
    return made
