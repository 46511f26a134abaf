"""Small graphs of ONNX, as exports of networks are: whole files of a few hundred bytes."""

import json
from pathlib import Path

import numpy as np
import onnx
import tokenizers
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def save_graph(path: Path, nodes: list, inputs: dict, outputs: dict, **constants: np.ndarray):
    """Writes a graph of nodes (operator, inputs, outputs, attributes)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = helper.make_graph(
        [helper.make_node(name, ins, outs, **kwargs) for name, ins, outs, kwargs in nodes],
        "graph",
        [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [helper.make_tensor_value_info(name, *info) for name, info in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))


def save_levels(path: Path, samples: int | str = "n") -> Path:
    """Waveform [1 n] -> "levels" [1 2]: mean and mean square; and "frames" [1 n 1], the samples."""
    nodes = [
        ("ReduceMean", ["audio"], ["mean"], {"axes": [1], "keepdims": 1}),
        ("Mul", ["audio", "audio"], ["square"], {}),
        ("ReduceMean", ["square"], ["power"], {"axes": [1], "keepdims": 1}),
        ("Concat", ["mean", "power"], ["levels"], {"axis": 1}),
        ("Unsqueeze", ["audio", "two"], ["frames"], {}),
    ]
    outputs = {"levels": (FLOAT, [1, 2]), "frames": (FLOAT, [1, samples, 1])}
    save_graph(path, nodes, {"audio": (FLOAT, [1, samples])}, outputs, two=np.array([2]))
    return path


def save_tokenizer(path: Path, words: list[str]) -> None:
    """One token a word, the first the unknown one."""
    model = tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, unk_token=words[0])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(path))


def save_clap(folder: Path, **settings: object) -> Path:
    """Audio [1 1 1001 64] -> mean of the bands; text -> mean of the first rows of a unit matrix."""
    save_graph(
        folder / "onnx/audio_model.onnx",
        [("ReduceMean", ["input_features"], ["audio_embeds"], {"axes": [1, 2], "keepdims": 0})],
        {"input_features": (FLOAT, ["b", 1, 1001, 64])},
        {"audio_embeds": (FLOAT, ["b", 64])},
    )
    save_graph(
        folder / "onnx/text_model.onnx",
        [
            ("Gather", ["table", "input_ids"], ["rows"], {}),
            ("ReduceMean", ["rows"], ["text_embeds"], {"axes": [1], "keepdims": 0}),
            ("Identity", ["attention_mask"], ["mask"], {}),
        ],
        {"input_ids": (INT, ["b", "l"]), "attention_mask": (INT, ["b", "l"])},
        {"text_embeds": (FLOAT, ["b", 64]), "mask": (INT, ["b", "l"])},
        table=np.eye(64, dtype=np.float32),
    )
    save_tokenizer(folder / "tokenizer.json", ["?", "a", "dog", "barks"])
    features = {
        "sampling_rate": 48000, "feature_size": 64, "fft_window_size": 1024, "hop_length": 480,
        "frequency_min": 50, "frequency_max": 14000, "truncation": "rand_trunc",
        "padding": "repeatpad",
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps({**features, **settings}))
    return folder


def save_whisper(folder: Path, follows: dict[str, list[str]], words: list[str], **generation):
    """The decoder says what follows its last token, in order of preference, if the mel is loud."""
    save_graph(
        folder / "onnx/encoder_model.onnx",
        [("ReduceMax", ["input_features"], ["last_hidden_state"], {"axes": [1], "keepdims": 1})],
        {"input_features": (FLOAT, ["b", 80, 3000])},
        {"last_hidden_state": (FLOAT, ["b", 1, 3000])},
    )
    table = np.zeros((len(words), len(words)), np.float32)
    for word, preferred in follows.items():
        for place, next_word in enumerate(preferred):
            table[words.index(word), words.index(next_word)] = len(preferred) - place
    save_graph(
        folder / "onnx/decoder_model.onnx",
        [
            ("Gather", ["table", "input_ids"], ["rows"], {}),
            ("ReduceMax", ["encoder_hidden_states"], ["loudest"], {"keepdims": 0}),
            ("Mul", ["rows", "loudest"], ["logits"], {}),
        ],
        {"input_ids": (INT, ["b", "l"]), "encoder_hidden_states": (FLOAT, ["b", 1, 3000])},
        {"logits": (FLOAT, ["b", "l", len(words)])},
        table=table,
    )
    save_tokenizer(folder / "tokenizer.json", words)
    (folder / "config.json").write_text(json.dumps({"num_mel_bins": 80}))
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder
