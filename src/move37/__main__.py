"""`python -m move37` is the command line."""

from move37.cli import main

main()
