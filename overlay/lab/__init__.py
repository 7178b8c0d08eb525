"""Virtual time and a virtual network in which real peers run in one process."""
