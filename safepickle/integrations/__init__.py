"""Host libraries that pickle, made to sign and verify: one small module each. See docs/integrations.md."""
