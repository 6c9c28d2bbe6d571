"""``python -m understudy`` and ``understudy`` are the command line."""

import sys


def main() -> None:
    """Answer at once where that is all there is to do; else parse the command line."""
    from understudy.cli import streams
    from understudy.cli.errors import exit_on_error

    streams.prepare()
    with exit_on_error():
        _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    """The quick answer, a verb of the base install, or one that trains: whichever serves, in this order."""
    from understudy.cli.quick import answer

    if answer(arguments):
        return

    from understudy.cli import predict
    from understudy.cli.verbs import spelled_out

    arguments = spelled_out(arguments)
    if not predict.main(arguments):
        _train(arguments)


def _train(arguments: list[str]) -> None:
    from understudy.cli.extras import PARSING_MODULES, without_training

    try:
        from understudy.cli.app import main as parse
    except ModuleNotFoundError as error:
        if error.name not in PARSING_MODULES:
            raise
        without_training(arguments)
    else:
        parse(arguments)


if __name__ == "__main__":
    main()
