"""One module for each command: `main(words, debug)` does it and returns the exit code."""
