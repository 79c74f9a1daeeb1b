"""The design space: which accelerator for these networks, on this device, at this memory?

:mod:`~hwgen.explore.space`
    Which points are there? SPACE.toml.
:mod:`~hwgen.explore.evaluate`
    What is a point worth? Cycles, energy, bytes, cells.
:mod:`~hwgen.explore.goals`
    What is better? Objectives, constraints, the Pareto front.
:mod:`~hwgen.explore.search`
    Which points are looked at, and in which order?
:mod:`~hwgen.explore.engine`
    Where are they evaluated? Dask workers, here or anywhere.
:mod:`~hwgen.explore.store`
    Where do the results stand? A file of SQLite.
:mod:`~hwgen.explore.exploration`
    All of these together.
:mod:`~hwgen.explore.proof`
    Does the RTL keep what the model promises?
"""
