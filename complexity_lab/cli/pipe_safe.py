"""A console whose reader may leave."""

import os

from rich.console import Console


class PipeSafeConsole(Console):
    """Falls silent when its reader is gone (``| head -1``), instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on, neither here nor when Python flushes at its end."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
