"""The ATT&CK matrix of a filtered set: its cells and colours, and the layer that Navigator opens."""
