"""Operations of torch in terms of ONNX; see `generators.export.operations.table`."""
