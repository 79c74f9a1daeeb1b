"""The global buffer: banks, addresses, psum accumulation."""
