#!/bin/sh
# Makes ./configure out of configure.ac: once after a checkout.
cd "$(dirname "$0")" && exec autoreconf --install --warnings=all,no-portability
