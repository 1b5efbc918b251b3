"""Host libraries that pickle, made to sign and verify, and readers of joblib's and torch's files: a module each.

See docs/integrations.md and docs/packs.md.
"""
