"""``dirsync --help``, ready to print. Made by ``python -m tests.cli.reference``; a test compares."""

HELP = """\
Usage: dirsync [OPTIONS] COMMAND [ARGS]...

  Keep a Bitwarden organization equal to what your directories say.

  Begin with `dirsync init`, then `dirsync check`, then `dirsync run --dry-run`.

Options:
  --version                 Show the version and exit.
  -c, --config FILE         The configuration; else $DIRSYNC_CONFIG,
                            ./dirsync.yaml, the user's own.
  --quiet                   On stderr only errors; no progress.
  -v, --verbose             Say more; -vv lets libraries speak as well.
  --no-color                No colours, as with $NO_COLOR.
  --log-format [text|json]  The form of what goes to stderr; text by default.
  -h, --help                Show this message and exit.

Commands:
  init      Ask a few questions and write a commented configuration.
  check     Try every connection and name the cure of what fails.
  run       Make the organization equal to the directories.
  plan      Show, or save, what a run would do. Only reads.
  apply     Apply a saved plan, if neither side has moved since.
  snapshot  Show the selected users and groups of the directories.
  explain   Say why a person is in or out.
  history   List the runs, or show one with its changes and calls.
"""
