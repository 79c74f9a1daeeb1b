"""Operators as integer layers: a file for each kind of layer, which registers what it takes."""
