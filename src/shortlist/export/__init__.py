"""From a trained model to ONNX, through the parity gate, into a bundle."""
