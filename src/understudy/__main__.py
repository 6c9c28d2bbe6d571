"""``python -m understudy`` and ``understudy`` are the command line."""

import sys


def main() -> None:
    """Answer at once where that is all there is to do; else parse the command line."""
    from understudy.cli.quick import answer

    try:
        if answer(sys.argv[1:]):
            sys.stdout.flush()
            return
    except (OSError, UnicodeEncodeError, KeyboardInterrupt):
        from understudy.cli.errors import exit_on_error

        with exit_on_error():
            raise
    from understudy.cli import predict as verbs
    from understudy.cli.errors import exit_on_error

    with exit_on_error():
        if not verbs.main(sys.argv[1:]):
            _train(sys.argv[1:])


def _train(arguments: list[str]) -> None:
    from understudy.cli import predict as verbs

    try:
        from understudy.cli.app import main as parse
    except ModuleNotFoundError as error:
        if error.name not in verbs.TRAINING:
            raise
        verbs.without_training(arguments)
    else:
        parse()


if __name__ == "__main__":
    main()
