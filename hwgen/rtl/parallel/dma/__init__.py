"""The AXI4 master: a read DMA with three clients and a write DMA with one."""
