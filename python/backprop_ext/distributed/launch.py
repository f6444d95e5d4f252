"""`distributed.run` as it was before: the script is given --local-rank, unless --use_env is."""

from __future__ import annotations

from .run import main as _main

__all__ = ["main"]


def main(args: list[str] | None = None) -> None:
    """The command."""
    _main(args, pass_rank=True)


if __name__ == "__main__":
    main()
