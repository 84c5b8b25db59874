#!/usr/bin/python3
"""The model, for an L1 that is a memcached behind several proxies: see model.py."""
import sys

import model

if __name__ == "__main__":
    sys.exit(model.main(["--part=several_proxies", *sys.argv[1:]]))
