"""Running an upsampling layer: the operators, their backends, and the reference, loops that are obviously right."""
