"""A small stock of names and sentences, for items that nobody described more closely."""

from __future__ import annotations

from tap_exchange.demo.values import Address

GIVEN_NAMES = "Ada Boris Chloé Dmitri Elena Farid Grace Hiro Ingrid Jürgen Katarzyna Luis Mei Nadia Olu Priya".split()
SURNAMES = "Adler Brandt Castillo Dvořák Eriksen Fontaine García Haddad Ito Jansen Kowalski Lindqvist Müller".split()
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
