package org.loupe.lm;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** {@link ToyModel} as a GGUF file: the same weights, query and key rows in GGUF's order, the tokenizer in the metadata. */
final class ToyGguf {
    /** About where the header of the file ends. */
    static final int HEADER_BYTES = 8800;

    private ToyGguf() {}

    static ModelFiles write(Path file) {
        writer().write(file);
        return new ModelFiles("toy", file);
    }

    static GgufWriter writer() {
        GgufWriter writer = new GgufWriter()
                .text("general.architecture", "llama")
                .whole("llama.block_count", 3)
                .whole("llama.context_length", 256)
                .whole("llama.embedding_length", 32)
                .whole("llama.feed_forward_length", 48)
                .whole("llama.attention.head_count", 4)
                .whole("llama.attention.head_count_kv", 2)
                .whole("llama.rope.dimension_count", 8)
                .real("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .text("tokenizer.ggml.model", "gpt2")
                .text("tokenizer.ggml.pre", "smollm")
                .whole("tokenizer.ggml.bos_token_id", 260)
                .whole("tokenizer.ggml.eos_token_id", 261);
        tokenizer(writer);
        Map<String, float[]> weights = ToyModel.weights();
        for (Weight weight : Weight.values()) {
            for (int block = 0; block < (weight.inBlock() ? 3 : 1); block++) {
                float[] values = weights.getOrDefault(Family.LLAMA.hfName(weight, block), new float[0]);
                boolean turned = weight == Weight.QUERY || weight == Weight.KEY;
                long[] shape = ToyModel.ARCHITECTURE.shape(weight);
                long[] sizes = shape.length == 1 ? shape : new long[] {shape[1], shape[0]};
                writer.f32(Family.LLAMA.ggufName(weight, block), turned ? permuted(values) : values, sizes);
            }
        }
        return writer;
    }

    /** llama.cpp's permutation: of 8 rows a head, 0..3 go to 0, 2, 4, 6 and 4..7 to 1, 3, 5, 7. */
    private static float[] permuted(float[] rows) {
        int[] to = {0, 2, 4, 6, 1, 3, 5, 7};
        float[] out = new float[rows.length];
        for (int row = 0; row < rows.length / 32; row++) {
            System.arraycopy(rows, row * 32, out, (row / 8 * 8 + to[row % 8]) * 32, 32);
        }
        return out;
    }

    private static void tokenizer(GgufWriter writer) {
        Map<Integer, String> bytes = new TreeMap<>();
        for (char c = 0; c < 0x144; c++) {
            if (ByteLevel.toByte(c) >= 0) {
                bytes.put(ByteLevel.toByte(c), String.valueOf(c));
            }
        }
        List<String> tokens = new ArrayList<>(bytes.values());
        tokens.addAll(List.of("th", "the", "Ġthe", "in", "<|begin|>", "<|end|>"));
        List<Integer> types = new ArrayList<>();
        for (int id = 0; id < tokens.size(); id++) {
            types.add(id >= 260 ? 3 : 1);
        }
        writer.texts("tokenizer.ggml.tokens", tokens);
        writer.wholes("tokenizer.ggml.token_type", types);
        writer.texts("tokenizer.ggml.merges", List.of("t h", "th e", "Ġ the", "i n"));
    }
}
