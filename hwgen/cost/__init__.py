"""What a layer costs under a mapping: cycles by resource, DRAM traffic; and which mappings fit.

:mod:`~hwgen.cost.geometry`
    What does the machine see of a layer? Folds, axes, pooling windows.
:mod:`~hwgen.cost.tiles`
    How do mappings cut it? Tiles, passes, steps.
:mod:`~hwgen.cost.fits`
    Which mappings fit the machine?
:mod:`~hwgen.cost.bounds`
    What can no tiling undercut?
:mod:`~hwgen.cost.resources`
    How long does each resource of a parallel machine work?
:mod:`~hwgen.cost.overlap`
    What of that goes on at a time?
:mod:`~hwgen.cost.pieces`
    In how many pieces do tiles come and blocks leave?
:mod:`~hwgen.cost.parallel`, :mod:`~hwgen.cost.microcoded`
    What does a layer cost on this machine?

All of it works on thousands of mappings at once: a dict of arrays with an element for each mapping.

A new kind of machine brings a module like the last two, with an object ``COST`` that its
:mod:`hwgen.machines` module names (:class:`~hwgen.machines.base.CostModel` says what it has). A
model that counts something else than cycles, energy for example, is a sibling of
:mod:`~hwgen.cost.parallel`: it takes the same ``Mappings``, ``ArrayFold`` and ``TileFold``, gives
each resource's words and MACs a price where :mod:`~hwgen.cost.resources` gives them cycles, and
adds up where :mod:`~hwgen.cost.overlap` takes the busiest. So is another dataflow: its own
``ArrayFold`` and ``TileFold`` (what is stationary, what passes by), the same resources behind them.
"""
