"""`python -m vivace.engine FD`: how the gateway starts an engine process."""

import sys

from vivace.engine.process import main

if __name__ == "__main__":
    main(int(sys.argv[1]))
