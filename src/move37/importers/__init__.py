"""Importers read samples or counts that another tool wrote. The contract is in tests/test_importers.py."""

from move37.shelf import Shelf

IMPORTERS = Shelf("importer", {}, extras={})
