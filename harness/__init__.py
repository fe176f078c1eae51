"""The face and the loop: command line, configuration, proposers, the model client and reports."""
