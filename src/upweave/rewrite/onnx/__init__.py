"""ONNX files in and out: what of a file may be rewritten, the edited file, and running both."""
