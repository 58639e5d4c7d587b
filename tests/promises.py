"""The tests that docs/guarantees.md names, one for each promise."""

from __future__ import annotations

import re
from pathlib import Path

GUARANTEES = Path(__file__).resolve().parents[1] / "docs/guarantees.md"
PROMISES = frozenset(re.findall(r"`(tests/[\w/.]+::test_\w+)`", GUARANTEES.read_text(encoding="utf-8")))
