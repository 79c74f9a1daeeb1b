"""Random layers on the RTL of many array shapes: hours of compiling, so long."""

import pytest

from hwgen.cli import main


@pytest.mark.long
@pytest.mark.parametrize("pe", ("1x1", "1x32", "32x1", "7x5", "12x14", "16x16", "32x32"))
def test_shape(pe):
    assert main(["verify", "--pe", pe, "--count", "20", "--seed", "1000"]) == 0
