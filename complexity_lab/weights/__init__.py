"""Named tensors in the order of the model where it is known, from modules and from files."""
