"""A backend as ONNX defines them: any model, on a simulated accelerator.

:class:`Backend` has the interface of :class:`onnx.backend.base.Backend`, and the module has its
functions, so that it can stand wherever ONNX expects a backend::

    from hwgen.runtime import backend
    prepared = backend.prepare(onnx.load("model.onnx"), pe="4x4")
    outputs = prepared.run([image])
"""

import functools

import numpy as np
import onnx
from onnx import helper
from onnx.backend import base
from rich.console import Console

from ..compiler import compile_network
from ..config import resolve
from ..errors import HwgenError
from ..importer import onnx_import
from ..network import golden
from ..simulate.hardware import generated
from ..simulate.simulators import SIMULATORS
from ..simulate.simulators import prepare as build
from .driver import Driver
from .fitting import fitted
from .network_runner import collect, execute, golden_layers

__all__ = ["Backend", "Prepared", "is_compatible", "prepare", "run_model", "run_node",
           "supports_device"]


@functools.lru_cache(maxsize=8)
def _simulator(config, sim):
    return build(sim, generated(config).verilog, console=Console(quiet=True))


class Prepared(base.BackendRep):
    """A network that is compiled and can be run many times.

    Attributes
    ----------
    network : Network
    program : Program or None
        None for the golden model.
    layers : list of LayerResult
        Of the last run: what ran on the accelerator, with its counters.
    """
    def __init__(self, model, config, sim):
        self.layers, self.program, self._start = [], None, None
        if sim == "golden":
            self.network = model.network()
        else:
            self.network, self.program = fitted(model, lambda network: compile_network(network,
                                                                                       config))
            self._start = _simulator(config, sim)

    def run(self, inputs, **kwargs):
        """The outputs of the network, a tuple in the order of the model.

        Parameters
        ----------
        inputs : sequence of array, or dict of str to array
            In the order of the model's inputs, or by name.

        Raises
        ------
        HwgenError
            An input is missing, unknown, or of another shape or type; an option is unknown.
        SimulationError
            The accelerator stopped, or broke a protocol.
        """
        _none_left(kwargs)
        if not isinstance(inputs, dict):
            if len(inputs) != len(self.network.inputs):
                raise HwgenError(f"{len(inputs)} inputs were given; {self.network.name} has "
                                 f"{len(self.network.inputs)}: "
                                 f"{', '.join(map(repr, self.network.inputs))}.")
            inputs = dict(zip(self.network.inputs, inputs, strict=True))
        inputs = golden.checked(self.network, inputs)
        if self.program is None:
            values = golden.run(self.network, inputs)
            self.layers = list(golden_layers(self.network, values))
        else:
            with self._start(self.program.memory_bytes) as bus:
                driver = Driver(bus, self.program.config)
                self.layers, values = collect(execute(self.network, self.program, driver, inputs))
        return tuple(values[name] for name in self.network.outputs)


class Backend(base.Backend):
    """Runs ONNX models on a simulated accelerator.

    Every method takes two options: ``pe``, the shape of the array (``"12x14"``), or in its place
    ``config``, a :class:`~hwgen.config.Config`; and ``sim``, one of
    :data:`~hwgen.simulate.simulators.SIMULATORS` (``"verilator"``).
    """

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        """Import and compile a model, and build the simulator, unless it is in the cache.

        Parameters
        ----------
        model : onnx.ModelProto or path
            External data is found only beside a path.
        device : str
            ``"CPU"``, which is where the simulation runs.

        Returns
        -------
        Prepared

        Raises
        ------
        HwgenError
            The model, the device or an option is refused.
        """
        if not cls.supports_device(device):
            raise HwgenError(f"the device {device!r} is not supported: the accelerator is "
                             f"simulated on the device 'CPU'.")
        config, sim = _options(kwargs)
        source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
        model = onnx_import.Model(source, tables=config.tables)
        return Prepared(model, config, sim)

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        """:meth:`prepare` and :meth:`Prepared.run` in one."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """The outputs of one operator, of the opset ``opset``, 21 if left out.

        ``outputs_info`` is not needed.
        """
        opset = kwargs.pop("opset", 21)
        given = dict(zip((name for name in node.input if name), inputs, strict=True))
        values = [helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), np.shape(value))
            for name, value in given.items()]
        graph = helper.make_graph([node], "node", values, [
            helper.make_empty_tensor_value_info(name) for name in node.output if name])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
        model.ir_version = min(model.ir_version, 10)    # older ONNX Runtimes refuse newer ones
        return cls.run_model(onnx.shape_inference.infer_shapes(model), given, device, **kwargs)

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        """Whether :meth:`prepare` takes a model: if ONNX Runtime does, and its layers fit."""
        config, _ = _options(dict(kwargs))
        try:
            return bool(cls.prepare(model, device, config=config, sim="golden"))
        except HwgenError:
            return False

    @classmethod
    def supports_device(cls, device):
        """Whether ``device`` is ``"CPU"``, where simulations run."""
        return device == "CPU" or device.startswith("CPU:")


def _none_left(options):
    if options:
        raise HwgenError(f"{', '.join(map(repr, options))} is no option of the backend: the "
                         f"options are 'pe', 'config' and 'sim'.")


def _options(given):
    config, sim = given.pop("config", None), given.pop("sim", "verilator")
    pe = given.pop("pe", None)
    _none_left(given)
    if config is not None and pe is not None:
        raise HwgenError("'pe' and 'config' exclude each other: a configuration has its shape.")
    if sim not in SIMULATORS:
        raise HwgenError(f"sim = {sim!r} is unknown: choose one of {', '.join(SIMULATORS)}.")
    return config or resolve(pe=pe), sim


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
