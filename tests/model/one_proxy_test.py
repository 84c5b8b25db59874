#!/usr/bin/python3
"""The model, for an L1 that is a memcached behind one proxy: see model.py."""
import sys

import model

if __name__ == "__main__":
    sys.exit(model.main(["--part=one_proxy", *sys.argv[1:]]))
