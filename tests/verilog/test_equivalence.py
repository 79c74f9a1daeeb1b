"""The passes change no function: Yosys proves it for each module."""

import re
import subprocess
import sys

import pytest

from hwgen.config import Config, resolve
from hwgen.rtl.top import Top
from hwgen.verilog import passes
from hwgen.verilog.emitter import Emitter
from hwgen.verilog.netlist import Net, Ref, Widths, process_targets
from hwgen.verilog.writer import write

pytest.importorskip("pyosys")

_CASES = {"small": {"pe": "2x3"}, "up5k": {"preset_name": "up5k"}}
_LONG = {"eyeriss": {"preset_name": "eyeriss"}, "ecp5-25f": {"preset_name": "ecp5-25f"}}
# Words of a memory that are compared; its others are like them.
_DEPTH = 4

_SCRIPT = """\
read_verilog modules.v
proc
memory_collect
memory_map
opt_clean
equiv_make gold gate equiv
hierarchy -top equiv
clean
equiv_struct
opt_clean
equiv_simple -seq 2
equiv_induct -seq 3
equiv_status -assert
"""


def _modules(config):
    """Modules that stand alone, with registers assigned where they are clocked.

    Instances become ports, so that each module is compared by itself. Registers have names that no
    later pass changes: both sides of the comparison have the same.
    """
    modules = Emitter().read(Top(config))
    directions = {module.name: {port: module.nets[port].direction for port in module.ports}
                  for module in modules.values()}
    for module in modules.values():
        for memory in module.memories.values():
            memory.depth = min(memory.depth, _DEPTH)
            memory.values = memory.values[:_DEPTH]
        widths = Widths(module)
        for instance in module.instances:
            for pin, value in instance.pins.items():
                name = f"{instance.name}_at_{pin}"
                driven = directions[instance.module][pin] == "output"
                module.nets[name] = Net(name, widths(value), "input" if driven else "output")
                module.ports.append(name)
                module.assigns.append((value, Ref(name)) if driven else (Ref(name), value))
        module.instances = []
        passes.name_registers(module)
        passes.clock_registers(module)
        registers = dict.fromkeys(name for process in module.processes if process.clock
                                  for name in process_targets(process))
        module.rename({name: f"register_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"
                       for name in registers if name not in module.ports})
    return modules


@pytest.mark.parametrize(
    "case", [*_CASES, *(pytest.param(name, marks=pytest.mark.long) for name in _LONG)])
def test_passes_change_no_function(case, tmp_path):
    config = resolve(**(_CASES | _LONG)[case])
    before, after = _modules(config), _modules(config)
    assert len(before) > 10
    for name, module in before.items():
        # Shifts and adders of the GLB take minutes in Yosys's prover, for any change.
        if name == "glb_bank" and case not in _LONG:
            continue
        passes.drop_unread(module)
        passes.plain_names(module)
        passes.run(after[name])
        module.name, after[name].name = "gold", "gate"
        (tmp_path / "modules.v").write_text(f"{write(module)}\n{write(after[name])}")
        (tmp_path / "prove.ys").write_text(_SCRIPT)
        done = subprocess.run(
            [sys.executable, "-c", "from pyosys import libyosys\n"
             "libyosys.run_pass('script prove.ys', libyosys.Design())"],
            cwd=tmp_path, capture_output=True, text=True)
        assert not done.returncode, f"{name}: {done.stdout[-2000:]}{done.stderr[-1000:]}"


def test_a_wrong_pass_is_caught(tmp_path):
    config = Config(rows=2, cols=3, glb_kib=16)
    before, after = _modules(config)["requant"], _modules(config)["requant"]
    target, value = next((target, value) for target, value in after.assigns
                         if getattr(value, "op", None) == "&")
    after.assigns[after.assigns.index((target, value))] = target, value._replace(op="|")
    for module, name in ((before, "gold"), (after, "gate")):
        passes.drop_unread(module)
        passes.plain_names(module)
        module.name = name
    (tmp_path / "modules.v").write_text(f"{write(before)}\n{write(after)}")
    (tmp_path / "prove.ys").write_text(_SCRIPT)
    done = subprocess.run(
        [sys.executable, "-c", "from pyosys import libyosys\n"
         "libyosys.run_pass('script prove.ys', libyosys.Design())"],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and "unproven" in done.stdout + done.stderr
