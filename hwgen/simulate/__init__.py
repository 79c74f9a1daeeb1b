"""The generated design in simulators, behind one interface, and the memory it works on."""
