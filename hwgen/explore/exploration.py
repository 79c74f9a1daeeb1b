"""An exploration: points proposed, evaluated, kept, and compared."""

import time
from collections import Counter

from . import goals as judge
from .evaluate import evaluate
from .search import everything, evolution, most

__all__ = ["Exploration"]


class Exploration:
    """Explores a space.

    Parameters
    ----------
    job : Job
        The space and its models.
    store : Store
        What is known already; all that is found is added.
    goals : dict of str to bool
        Objectives, see :func:`~hwgen.explore.goals.objectives`.
    constraints : list
        See :mod:`~hwgen.explore.goals`.
    budget : int
        Points to look at; a space with more is searched by :func:`~hwgen.explore.search.evolution`.
    seconds : float or None
        Time after which no further point is begun.
    seed : int
        Of the search.

    Attributes
    ----------
    known : dict
        What :meth:`Store.results` gives of the points of this space.
    complete : bool
        Every point of the space is among those looked at.
    looked_at : int
        Points looked at so far, those that were known before included.
    wanted : int
        Points to look at in all, as far as is known.
    """
    def __init__(self, job, store, goals, constraints, budget, seconds=None, seed=1):
        self._job, self._space, self._store = job, job.space, store
        self._goals, self._constraints = goals, constraints
        self._budget, self._seed, self._seconds = budget, seed, seconds
        self.known, self._named = store.results(), {}
        self.complete = most(self._space, budget)
        self.looked_at = 0
        self.wanted = budget

    def run(self, engine, progress=lambda: None):
        """Look at points until all are looked at, the budget is used up or the time is over;
        ``progress()`` is called after each."""
        end = None if self._seconds is None else time.monotonic() + self._seconds

        def over():
            return end is not None and time.monotonic() >= end
        for generation in self._generations():
            unknown = []
            for point in generation:
                name = self._space.key(point)
                self._named[name] = point
                if name in self.known:
                    self.looked_at += 1
                else:
                    unknown.append(point)
            progress()
            for result in engine.run(evaluate, self._job, unknown, over):
                self._store.add(result)
                name = self._space.key(result["point"])
                self.known[name] = result.get("refused") or result["metrics"]
                self.looked_at += 1
                progress()
            if over():
                break

    def _generations(self):
        if self.complete:
            for generation in everything(self._space):
                self.wanted = len(generation)
                yield generation
        else:
            yield from evolution(
                self._space, self._goals, self._constraints,
                lambda point: self.known.get(self._space.key(point)), self._budget, self._seed)

    def point(self, name):
        """The point of a key."""
        return self._named[name]

    def _measured(self):
        """``(key, metrics)`` of the points that are no refusals, in the order of their keys."""
        return [(name, self.known[name]) for name in sorted(self._named)
                if isinstance(self.known.get(name), dict)]

    def allowed(self):
        """``(key, metrics)`` of the points that meet every constraint."""
        return [(name, metrics) for name, metrics in self._measured()
                if all(rule.excess(self._space.config(self._named[name]), metrics) == 0
                       for rule in self._constraints)]

    def front(self):
        """``(config, metrics, key)`` of the points that no other beats."""
        points = self.allowed()
        best = judge.front([metrics for _, metrics in points], self._goals)
        return [(self._space.config(self._named[name]), metrics, name)
                for name, metrics in (points[index] for index in best)]

    def refusals(self):
        """How many points were refused for each reason, most frequent first."""
        return Counter(self.known[name] for name in self._named
                       if isinstance(self.known.get(name), str)).most_common()
