"""rend-load, as the bench uses it."""
import json
import subprocess

from process import CLIENT_CORE, Failed, on_core

# What a round may take beyond its window.
PATIENCE = 60
