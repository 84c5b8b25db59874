#!/usr/bin/python3
"""The model, for an L1 in the process: see model.py."""
import sys

import model

if __name__ == "__main__":
    sys.exit(model.main(["--part=in_process", *sys.argv[1:]]))
