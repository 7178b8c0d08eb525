"""The user's own folders: scan, watch, hash, extract text."""
