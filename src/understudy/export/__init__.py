"""A trained student as a folder: ONNX, parity, int8. The last room with torch."""
