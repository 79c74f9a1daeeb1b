"""The accelerator's RTL, one block a file, leaf to top."""
