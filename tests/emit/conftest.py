import pytest

from hwgen.config import Config
from hwgen.emit.verilog import generate


@pytest.fixture(scope="session")
def small():
    """A small configuration and its Verilog."""
    config = Config(name="small", rows=2, cols=3, glb_kib=16)
    return config, generate(config)
