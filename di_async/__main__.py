"""`python -m di_async` is `di-async`."""

from di_async.cli import main

if __name__ == "__main__":
    main()
