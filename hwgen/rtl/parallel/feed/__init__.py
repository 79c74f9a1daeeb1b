"""From ifmap words in the GLB to the messages of the Y-bus."""
