"""Run the tap: `python -m tap_exchange`."""

from tap_exchange.quick import main

if __name__ == "__main__":
    main()
