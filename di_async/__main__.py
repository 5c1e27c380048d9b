"""Run `di-async` as `python -m di_async`."""

from di_async.cli import main

if __name__ == "__main__":
    main()
