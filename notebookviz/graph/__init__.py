"""The recording as plain records, and its encoding for the page (no torch here)."""
