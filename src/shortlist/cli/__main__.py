"""`python -m shortlist.cli`: the same as the command `shortlist`."""

from __future__ import annotations

import sys

from shortlist.cli.main import main

sys.exit(main())
