"""A file for each family of test degradations; all of them are loaded by ``groups``."""
