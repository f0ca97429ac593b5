"""Turns a GPT-2 directory in Hugging Face's layout (f32 weights) into what the peers read: GGUF (Q8_0, Q4_0) and ONNX (dynamic int8).

Usage: python make_models.py MODEL_DIRECTORY OUTPUT_DIRECTORY. The vocabulary in the GGUF files is made up: token ids are all the benchmark uses.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import onnx
from gguf.quants import quantize
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic


class Checkpoint:
    """Tensors of a safetensors file of f32 values, by name."""

    def __init__(self, directory: Path) -> None:
        self.config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        path = directory / "model.safetensors"
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self.header = json.loads(file.read(length))
        self.bytes = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self.header[name]
        if entry["dtype"] != "F32":
            raise ValueError(f"{name}: only F32 is read here, not {entry['dtype']}")
        begin, end = entry["data_offsets"]
        return np.frombuffer(self.bytes[begin:end].tobytes(), dtype=np.float32).reshape(entry["shape"])


LAYER_MATRICES = {
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}


def write_gguf(weights: Checkpoint, output: Path, quantization: gguf.GGMLQuantizationType) -> None:
    """Matrices in `quantization`, as llama.cpp's own converter does it; norms, biases and positions in f32."""
    config = weights.config
    writer = gguf.GGUFWriter(str(output), "gpt2")
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_vocab_size(config["vocab_size"])
    add_vocabulary(writer, config["vocab_size"])

    def matrix(name: str, values: np.ndarray) -> None:
        writer.add_tensor(name, quantize(np.ascontiguousarray(values), quantization), raw_dtype=quantization)

    matrix("token_embd.weight", weights["wte.weight"])
    writer.add_tensor("position_embd.weight", weights["wpe.weight"])
    for layer in range(config["n_layer"]):
        for ours, theirs in (("attn_norm", "ln_1"), ("ffn_norm", "ln_2")):
            for part in ("weight", "bias"):
                writer.add_tensor(f"blk.{layer}.{ours}.{part}", weights[f"h.{layer}.{theirs}.{part}"])
        for ours, theirs in LAYER_MATRICES.items():
            matrix(f"blk.{layer}.{ours}.weight", weights[f"h.{layer}.{theirs}.weight"].T)
            writer.add_tensor(f"blk.{layer}.{ours}.bias", weights[f"h.{layer}.{theirs}.bias"])
    for part in ("weight", "bias"):
        writer.add_tensor(f"output_norm.{part}", weights[f"ln_f.{part}"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """The 256 bytes in GPT-2's own spelling, then fillers."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelled = [chr(byte) for byte in plain] + [chr(256 + i) for i in range(256 - len(plain))]
    tokens = spelled + [f"<t{i}>" for i in range(size - 257)] + ["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (size - 1) + [3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(size - 1)
    writer.add_eos_token_id(size - 1)


class Graph:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str | list[str], **attributes: object) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=f"{outputs[0]}/{kind}", **attributes))
        return outputs[0]


def build_onnx(weights: Checkpoint) -> onnx.ModelProto:
    """GPT-2 with a KV cache as inputs past_{k,v}_i and outputs present_{k,v}_i; logits of the last row of each sequence."""
    config = weights.config
    heads, width = config["n_head"], config["n_embd"]
    head_width = width // heads
    g = Graph()

    def parameter(name: str) -> str:
        return g.constant(name, weights[name])

    def norm(x: str, name: str, out: str) -> str:
        inputs = [x, parameter(f"{name}.weight"), parameter(f"{name}.bias")]
        return g.node("LayerNormalization", inputs, out, axis=-1, epsilon=config["layer_norm_epsilon"])

    def linear(x: str, name: str, out: str) -> str:
        product = g.node("MatMul", [x, parameter(f"{name}.weight")], f"{out}_product")
        return g.node("Add", [product, parameter(f"{name}.bias")], out)

    def integer(name: str, *values: int) -> str:
        return g.constant(name, np.array(values, dtype=np.int64))

    def scalar(name: str, value: int) -> str:
        return g.constant(name, np.array(value, dtype=np.int64))

    one, last, beyond = integer("one", 1), integer("last", -1), integer("beyond", 1 << 60)
    split_heads, merge_heads = integer("split_heads", 0, 0, heads, head_width), integer("merge_heads", 0, 0, width)
    thirds = integer("thirds", width, width, width)
    scale = g.constant("scale", np.float32(head_width**-0.5))
    wte = parameter("wte.weight")
    x = g.node(
        "Add",
        [g.node("Gather", [wte, "input_ids"], "tokens"), g.node("Gather", [parameter("wpe.weight"), "position_ids"], "positions")],
        "x",
    )
    past = g.node("Gather", [g.node("Shape", ["past_k_0"], "past_shape"), scalar("axis_2", 2)], "past_length")
    new = g.node("Gather", [g.node("Shape", ["input_ids"], "input_shape"), scalar("axis_1", 1)], "new_length")
    total = g.node("Add", [past, new], "total_length")
    step = scalar("step", 1)
    keys = g.node("Range", [scalar("start", 0), total, step], "key_positions")
    queries = g.node("Unsqueeze", [g.node("Range", [past, total, step], "query_positions"), one], "query_column")
    hidden = g.node("Greater", [keys, queries], "is_hidden")
    values = [g.constant("minus_much", np.float32(-1e9)), g.constant("zero", np.float32(0))]
    mask = g.node("Where", [hidden, *values], "mask")

    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "rows"]),
        helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "rows"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, config["vocab_size"]])]
    for layer in range(config["n_layer"]):
        h, n = f"h.{layer}", f"l{layer}_"
        qkv = linear(norm(x, f"{h}.ln_1", n + "a"), f"{h}.attn.c_attn", n + "qkv")
        g.node("Split", [qkv, thirds], [n + "q", n + "k", n + "v"], axis=-1)
        per_head = {
            part: g.node("Transpose", [g.node("Reshape", [n + part, split_heads], n + part + "_split")], n + part + "_heads", perm=[0, 2, 1, 3])
            for part in "qkv"
        }
        for part in "kv":
            shape = ["batch", heads, "past", head_width]
            inputs.append(helper.make_tensor_value_info(f"past_{part}_{layer}", TensorProto.FLOAT, shape))
            outputs.append(helper.make_tensor_value_info(f"present_{part}_{layer}", TensorProto.FLOAT, ["batch", heads, "total", head_width]))
            g.node("Concat", [f"past_{part}_{layer}", per_head[part]], f"present_{part}_{layer}", axis=2)
        transposed = g.node("Transpose", [f"present_k_{layer}"], n + "kt", perm=[0, 1, 3, 2])
        scores = g.node("Mul", [g.node("MatMul", [per_head["q"], transposed], n + "qk"), scale], n + "scores")
        shares = g.node("Softmax", [g.node("Add", [scores, mask], n + "masked")], n + "shares", axis=-1)
        summed = g.node("MatMul", [shares, f"present_v_{layer}"], n + "summed")
        merged = g.node("Reshape", [g.node("Transpose", [summed], n + "summed_rows", perm=[0, 2, 1, 3]), merge_heads], n + "merged")
        x = g.node("Add", [x, linear(merged, f"{h}.attn.c_proj", n + "attended")], n + "x1")
        inner = linear(norm(x, f"{h}.ln_2", n + "b"), f"{h}.mlp.c_fc", n + "inner")
        activated = g.node("Gelu", [inner], n + "gelu", approximate="tanh")
        x = g.node("Add", [x, linear(activated, f"{h}.mlp.c_proj", n + "fed")], n + "x2")
    final = norm(g.node("Slice", [x, last, beyond, one], "last_row"), "ln_f", "final")
    g.node("MatMul", [final, g.constant("lm_head", weights["wte.weight"].T)], "logits")
    graph = helper.make_graph(g.nodes, "gpt2", inputs, outputs, g.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def main() -> None:
    """See above."""
    weights, output = Checkpoint(Path(sys.argv[1])), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    for name, kind in (("q8_0", gguf.GGMLQuantizationType.Q8_0), ("q4_0", gguf.GGMLQuantizationType.Q4_0)):
        write_gguf(weights, output / f"{name}.gguf", kind)
    unquantized = output / "f32.onnx"
    onnx.save(build_onnx(weights), unquantized)
    quantize_dynamic(
        unquantized,
        output / "int8.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul"],
        extra_options={"MatMulConstBOnly": True},
    )
    unquantized.unlink()


if __name__ == "__main__":
    main()
