"""Front ends and grid inference: a model as a graph, and a graph as sampling grids."""
