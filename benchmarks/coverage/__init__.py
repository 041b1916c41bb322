"""How many of the models that people use are shown with shapes when no input is given."""
