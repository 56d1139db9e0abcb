"""Named tensors in model order, from modules and from files."""
