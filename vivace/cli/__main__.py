"""`python -m vivace.cli`, for where the script is not on the path."""

from vivace.cli import main

main()
