"""The oracle process: `python -m evaluator.oracle FD`. Started by `evaluator.service`, by nobody else."""

from evaluator.inside.startup import without_collections


def main() -> None:
    with without_collections():
        from evaluator.oracle import serving
    serving.main()


if __name__ == "__main__":
    main()
