"""Registers have the names that the source gave them, and are assigned where they are clocked."""

from ..netlist import Assign, Case, If, Process, Ref, is_temporary, process_targets

__all__ = ["clock_registers", "name_registers"]


def name_registers(module):
    """Give registers the names of the nets that are nothing but their aliases.

    Yosys names a register after one of the nets that it drives, or after none if it is a part of
    a struct or the output of a memory; the net that has the initial value is the one that the
    source declares.
    """
    ports = set(module.ports)
    names, registers = {}, {}
    for target, value in module.assigns:
        if not (isinstance(target, Ref) and isinstance(value, Ref)):
            continue
        alias, register = module.nets[target.name], module.nets.get(value.name)
        if register is None or not register.register or register.name in ports \
                or register.name in names or alias.width != register.width:
            continue
        made_up = is_temporary(register.name)
        if made_up and alias.direction != "input" and not is_temporary(alias.name) \
                or alias.init is not None and alias.direction is None:
            names[register.name] = alias.name
            registers[alias.name] = (register, alias)
    for register, alias in registers.values():
        register.direction = alias.direction
        register.states = register.states or alias.states
        del module.nets[alias.name]
    module.assigns = [(target, value) for target, value in module.assigns
                      if not (isinstance(target, Ref) and target.name in registers)]
    module.rename(names)


def clock_registers(module):
    """Assign registers in clocked blocks by what the source says.

    Yosys computes what a register becomes in a combinational block, and clocks that. A simulator
    runs the block whenever one of its inputs changes, and computes and stores the next value of a
    register that keeps its value.
    """
    reads = module.reads()
    clocked = {}            # value: (clock, register)
    for process in module.processes:
        if process.clock and len(process.body) == 1:
            statement = process.body[0]
            if isinstance(statement, Assign) and isinstance(statement.target, Ref) \
                    and isinstance(statement.value, Ref):
                clocked[statement.value.name] = (process.clock, statement.target.name)
    processes, moved, names = [], set(), {}
    for process in module.processes:
        targets = list(process_targets(process)) if process.clock is None else ()
        if len(targets) != 1 or targets[0] not in clocked:
            processes.append(process)
            continue
        value, = targets
        clock, register = clocked[value]
        if reads[value] > 1:
            names[value] = f"{register}$next"
            processes.append(process)
            continue
        moved.add(value)
        body = process.body
        if body and isinstance(body[0], Assign) and body[0].target == Ref(value) \
                and body[0].value == Ref(register):
            body = body[1:]
        _retarget(body, register)
        processes.append(Process(clock, body))
    module.processes = [
        process for process in processes
        if not (process.clock and len(process.body) == 1 and isinstance(process.body[0], Assign)
                and isinstance(process.body[0].value, Ref)
                and process.body[0].value.name in moved)]
    for value in moved:
        del module.nets[value]
    module.rename(names)


def _retarget(body, name):
    for statement in body:
        if isinstance(statement, Assign):
            target = statement.target
            statement.target = target._replace(name=name)
        elif isinstance(statement, If):
            _retarget(statement.then, name)
            _retarget(statement.other, name)
        elif isinstance(statement, Case):
            for _, inside in statement.items:
                _retarget(inside, name)
