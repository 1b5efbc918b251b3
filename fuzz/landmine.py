"""Importing this is a finding: streams name it, no policy does."""

from fuzz import samples

samples.RECORD.append("landmine imported")
