"""Write a trained student as a folder: ONNX, parity, int8. The last room that imports torch."""
