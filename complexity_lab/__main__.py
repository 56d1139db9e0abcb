"""``python -m complexity_lab``."""

from complexity_lab.cli.app import main

main()
