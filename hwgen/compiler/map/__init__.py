"""Mappings of a layer onto the array: searched, given, and shown."""
