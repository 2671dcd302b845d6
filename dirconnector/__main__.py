"""``python -m dirconnector`` is ``dirsync``."""

from dirconnector.cli import main

if __name__ == "__main__":
    main()
