"""Runs one network on one inference engine, as told on standard input.

    serve.py ENGINE MODEL.onnx THREADS

Says `ready`, then answers each line:

    run INPUT OUTPUT    runs the image in file INPUT, raw FP32, and writes the result: `ok`
    time COUNT          runs the last image COUNT times: the seconds that took

Engines: onnxruntime, onnxruntime-as-written (without graph optimisations, which may change what
8-bit layers compute), ncnn, mnn. The last two get the network converted, beside MODEL.onnx, by the
converters of their own projects. All compute in FP32.
"""

import importlib.util
import os
import pathlib
import subprocess
import sys
import time

import numpy


def onnxruntime(model, threads, as_written=False):
    import onnxruntime as engine

    options = engine.SessionOptions()
    options.intra_op_num_threads = threads
    options.execution_mode = engine.ExecutionMode.ORT_SEQUENTIAL
    if as_written:
        options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = engine.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    return image.shape, lambda values: session.run(None, {image.name: values})[0]


def ncnn(model, threads):
    import ncnn as engine

    parameters, weights = model.with_suffix(".ncnn.param"), model.with_suffix(".ncnn.bin")
    if not weights.exists():
        # The converter is a program inside a package that cannot be imported without PyTorch.
        package = pathlib.Path(importlib.util.find_spec("pnnx").origin).parent
        convert([package / "pnnx", model, "fp16=0"], model)
    net = engine.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    net.load_param(str(parameters))
    net.load_model(str(weights))
    inputs, outputs = net.input_names(), net.output_names()

    def run(values):
        extractor = net.create_extractor()
        extractor.input(inputs[0], engine.Mat(values[0]))
        status, result = extractor.extract(outputs[0])
        assert status == 0, f"ncnn failed with {status}"
        return numpy.array(result)

    return image_shape(model), run


def mnn(model, threads):
    import MNN

    converted = model.with_suffix(".mnn")
    if not converted.exists():
        converter = pathlib.Path(sys.executable).parent / "mnnconvert"
        source = ["-f", "ONNX", "--modelFile", model, "--MNNModel", converted]
        convert([converter, *source, "--bizCode", "bench"], model)
    backend = {"backend": "CPU", "numThread": threads, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((backend,))
    net = MNN.nn.load_module_from_file(str(converted), [], [], runtime_manager=manager)

    def run(values):
        image = MNN.expr.const(values, list(values.shape), MNN.expr.NCHW)
        result = net.forward([image])
        result = result[0] if isinstance(result, (list, tuple)) else result
        return numpy.array(MNN.expr.convert(result, MNN.expr.NCHW).read())

    return image_shape(model), run


def image_shape(model):
    import onnxruntime as engine

    session = engine.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.get_inputs()[0].shape


def convert(command, model):
    outcome = subprocess.run(
        [str(word) for word in command], cwd=model.parent, capture_output=True, text=True
    )
    if outcome.returncode != 0:
        sys.exit(f"cannot convert {model}: {outcome.stdout}{outcome.stderr}")


def main():
    engine, model, threads = sys.argv[1:]
    # Engines print to standard output, where only answers may go: they get standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engines = {
        "onnxruntime": onnxruntime,
        "onnxruntime-as-written": lambda *of: onnxruntime(*of, as_written=True),
        "ncnn": ncnn,
        "mnn": mnn,
    }
    shape, run = engines[engine](pathlib.Path(model).resolve(), int(threads))
    values = numpy.zeros(shape, numpy.float32)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "run":
            values = numpy.fromfile(words[0], numpy.float32).reshape(shape)
            numpy.asarray(run(values), numpy.float32).tofile(words[1])
            answer = "ok"
        else:
            start = time.perf_counter()
            for _ in range(int(words[0])):
                run(values)
            answer = time.perf_counter() - start
        print(answer, file=answers, flush=True)


main()
