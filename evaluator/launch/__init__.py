"""What stands between the harness and a program that runs without namespaces: Landlock, seccomp, limits, a supervisor.

Run as a program (`evaluator.sandbox.landlock` does it), by the bare interpreter without site-packages; imports only the
standard library. It starts the program, restricted for good, and ends everything that the program started.
"""
