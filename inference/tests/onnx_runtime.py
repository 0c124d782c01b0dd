"""Runs an ONNX file on ONNX Runtime: onnx_runtime.py MODEL IMAGES RESULTS CHANNELS HEIGHT WIDTH

IMAGES holds little-endian FP32 images one after another; RESULTS receives the outputs likewise.
Graph optimisations that change arithmetic are off.
"""

import sys

import numpy
import onnxruntime

model, images, results, *sides = sys.argv[1:]
shape = (1, *map(int, sides))
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
values = numpy.fromfile(images, "<f4").reshape(-1, *shape)
with open(results, "wb") as file:
    for image in values:
        session.run(None, {name: image})[0].astype("<f4").tofile(file)
