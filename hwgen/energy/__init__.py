"""Where does the data of a layer move, and what energy does that take?

:mod:`~hwgen.energy.items`
    What is counted, by level of the hierarchy and by kind of data?
:mod:`~hwgen.energy.counts`
    How often, as the commands tell and as the RTL counted?
:mod:`~hwgen.energy.traffic`, :mod:`~hwgen.energy.microcoded`
    What does each command move on this machine?
:mod:`~hwgen.energy.prices`
    What does an access cost?
:mod:`~hwgen.energy.energy`
    What does it all come to?
"""

from .counts import Counts, measured, of_segment, of_segments
from .energy import Energy, of_counts
from .prices import Table, table

__all__ = ["Counts", "Energy", "Table", "measured", "of_counts", "of_segment", "of_segments",
           "table"]
