"""`python -m console` is `dfos`."""

import sys

from console.cli.main import dfos

sys.exit(dfos())
