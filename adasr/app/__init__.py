"""A page in the browser for people without a terminal: ``adasr app``."""
