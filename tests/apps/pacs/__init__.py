"""The server on a PACS."""
