"""Which points are looked at: all of them, or those that NSGA-II proposes.

Proposals come in generations, and the optimiser learns of a generation when all of it is known, in
the order in which it was proposed. So the points looked at depend on the seed alone, not on how
many workers there are or which is faster.
"""

import itertools

import optuna

__all__ = ["everything", "evolution", "most"]

_POPULATION = 48
_STALE = 20                 # generations without a new point after which there are none to be found


def everything(space):
    """Generations of points: all of the space, in one."""
    yield list(space.points())


def evolution(space, goals, constraints, known, budget, seed):
    """Generations of points that Optuna's NSGA-II proposes (K. Deb et al., IEEE TEVC 6(2), 2002).

    Parameters
    ----------
    space : Space
    goals : dict of str to bool
        Objectives, see :func:`~hwgen.explore.goals.objectives`.
    constraints : list
        Constraints, see :mod:`~hwgen.explore.goals`.
    known : callable
        From a point to its metrics, or to the sentence that refused it; asked when the generation
        that holds it has been taken.
    budget : int
        Points that are proposed, at most.
    seed : int

    Yields
    ------
    list of dict
        Points, each only once.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=seed)
    study = optuna.create_study(
        directions=["maximize" if more else "minimize" for more in goals.values()], sampler=sampler)
    proposed, stale = set(), 0
    while len(proposed) < budget and stale < _STALE:
        trials, fresh = [], []
        for _ in range(_POPULATION):
            trial = study.ask()
            point = {name: values[trial.suggest_int(name, 0, len(values) - 1)]
                     for name, values in space.parameters.items()}
            trials.append((trial, point))
            name = space.key(point)
            if name not in proposed and len(proposed) < budget and space.holds(point):
                proposed.add(name)
                fresh.append(point)
        stale = 0 if fresh else stale + 1
        yield fresh
        for trial, point in trials:
            metrics = known(point)
            if metrics is None or isinstance(metrics, str):     # left out, or refused
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            config = space.config(point)
            for number, rule in enumerate(constraints):
                trial.set_constraint(str(number), rule.excess(config, metrics))
            study.tell(trial, [metrics[name] for name in goals])


def most(space, budget):
    """Whether the space has at most so many points, counted only so far."""
    return len(list(itertools.islice(space.points(), budget + 1))) <= budget
