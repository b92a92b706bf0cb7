"""Running an upsampling layer: for now the reference, loops that are obviously right."""
