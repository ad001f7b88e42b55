"""The funnel: candidate sources, filter, rank; numpy and ONNX Runtime, no torch."""
