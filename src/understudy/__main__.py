"""``python -m understudy`` and ``understudy`` are the command line."""

import sys


def main() -> None:
    """Answer at once where that is all there is to do; else parse the command line."""
    from understudy.quick import answer

    if not answer(sys.argv[1:]):
        from understudy.cli import main as parse

        parse()


if __name__ == "__main__":
    main()
