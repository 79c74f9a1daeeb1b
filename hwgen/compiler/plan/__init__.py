"""Planning: which jobs a network becomes, and where its tensors lie."""
