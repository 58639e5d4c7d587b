"""The tests of tap-exchange."""
