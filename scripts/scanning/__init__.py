"""One module a scan, each ending in a list of findings, a line each."""
