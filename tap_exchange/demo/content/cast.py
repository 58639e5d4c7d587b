"""The people and texts of the example world: faker with a fixed seed, one language at a time."""

from __future__ import annotations

from functools import cache
from random import Random

from faker import Faker

from tap_exchange.demo.content import words
from tap_exchange.demo.values import Address, Body

LANGUAGES = ("en_GB", "de_DE", "fr_FR", "es_ES", "pl_PL", "ja_JP")
COLLEAGUES, STRANGERS = 25, 60


@cache
def fakers() -> list[Faker]:
    """Make the fakers once; each cast seeds them anew, so only one may be at work at a time."""
    return [Faker(language) for language in LANGUAGES]


class Cast:
    """Everybody who writes to a mailbox, and what they write; a new one takes the word from the one before."""

    def __init__(self, seed: int, owner: Address) -> None:
        """Make the people around a mailbox's owner."""
        self.owner = owner
        self.random = Random(f"{seed} {owner.email}")
        self._fakers = fakers()
        for number, faker in enumerate(self._fakers):
            faker.seed_instance(f"{seed} {owner.email} {number}")
        english = self._fakers[0]
        self.companies = [english.company() for _ in range(12)]
        self.colleagues = [self._person(english, "example.com", "Mailbox") for _ in range(COLLEAGUES)]
        self.strangers = [
            self._person(self._fakers[number % len(self._fakers)], f"partner{number % 7}.example", "OneOff")
            for number in range(STRANGERS)
        ]

    def _person(self, faker: Faker, domain: str, kind: str) -> Address:
        name = faker.name()
        plain = ".".join(name.lower().split()).encode("ascii", "ignore").decode().strip(".")
        local = "".join(letter for letter in plain if letter.isalnum() or letter in ".-")
        return Address(name, f"{local or 'contact' + str(self.random.randrange(1000))}@{domain}", mailbox_type=kind)

    def somebody(self) -> Address:
        """Give a person who writes."""
        return self.random.choice(self.colleagues if self.random.random() < 0.6 else self.strangers)  # noqa: PLR2004

    def some(self, most: int) -> list[Address]:
        """Give up to so many people, perhaps nobody."""
        return self.random.sample(self.colleagues + self.strangers, self.random.randrange(most + 1))

    def faker(self) -> Faker:
        """Give a language: mostly English."""
        return self._fakers[0] if self.random.random() < 0.7 else self.random.choice(self._fakers)  # noqa: PLR2004

    def subject(self) -> str:
        """Write a subject line."""
        return self.faker().sentence(nb_words=self.random.randrange(2, 9)).rstrip(".。")

    def text(self) -> str:
        """Write a few paragraphs."""
        faker = self.faker()
        lines = [faker.paragraph(nb_sentences=self.random.randrange(1, 6)) for _ in range(self.random.randrange(1, 6))]
        return "\n".join(lines)

    def body(self) -> Body:
        """Write a body, mostly as HTML."""
        if self.random.random() < 0.15:  # noqa: PLR2004
            return Body(self.text().replace("\n", "\r\n\r\n"), html=False)
        signature = f'<p style="color:#666">--<br>\r\n{self.random.choice(self.companies)}</p>\r\n'
        return Body(words.html(self.text()).replace("</body>", signature + "</body>"))
