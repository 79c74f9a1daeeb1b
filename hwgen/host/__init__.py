"""The host side: drivers of an accelerator, and whole networks on it."""
