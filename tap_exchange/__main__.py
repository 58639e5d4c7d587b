"""Run the tap as `python -m tap_exchange`."""

from __future__ import annotations

from tap_exchange.tap import main

if __name__ == "__main__":
    main()
