"""A module for each page, with its state beside it."""
