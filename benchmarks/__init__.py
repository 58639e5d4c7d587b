"""Figures of the tap, each beside the plain way of doing it."""
