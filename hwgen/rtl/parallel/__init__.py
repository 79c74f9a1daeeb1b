"""The parallel machine: units that run side by side."""
