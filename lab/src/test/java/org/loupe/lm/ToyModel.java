package org.loupe.lm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.io.Json;
import org.loupe.io.SafetensorsWriter;

/**
 * A Llama of three blocks and width 32 in a HuggingFace folder. Its weights are a formula that
 * scripts/reference/lm_reference.py computes too; its tokenizer has a token a byte, a few merges and two special tokens.
 */
public final class ToyModel {
    static final Architecture ARCHITECTURE =
            new Architecture("llama", 3, 32, 4, 2, 8, 48, 300, 256, 1e-5, 10_000, false);

    private ToyModel() {}

    /** Writes the folder. */
    public static ModelFiles write(Path folder) {
        return write(folder, weights());
    }

    /** Writes a folder with other weights of the same shapes. */
    public static ModelFiles write(Path folder, Map<String, float[]> weights) {
        create(folder);
        writeConfig(folder, Map.of());
        writeTokenizer(folder);
        SafetensorsWriter writer = new SafetensorsWriter();
        weights.forEach((name, values) -> writer.f32(name, values, shape(name)));
        writer.write(folder.resolve("model.safetensors"));
        return new ModelFiles("toy", folder);
    }

    /** Writes the folder with the weights in two shards. */
    static ModelFiles writeSharded(Path folder) {
        write(folder);
        List<SafetensorsWriter> writers = List.of(new SafetensorsWriter(), new SafetensorsWriter());
        Map<String, String> map = new LinkedHashMap<>();
        weights().forEach((name, values) -> {
            int shard = map.size() % 2;
            writers.get(shard).f32(name, values, shape(name));
            map.put(name, "model-" + shard + ".safetensors");
        });
        for (int i = 0; i < 2; i++) {
            writers.get(i).write(folder.resolve("model-" + i + ".safetensors"));
        }
        Json.write(folder.resolve("model.safetensors.index.json"), Map.of("weight_map", map));
        try {
            Files.delete(folder.resolve("model.safetensors"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new ModelFiles("toy", folder);
    }

    /** The weights of a model whose MLPs add nothing. */
    public static Map<String, float[]> weightsWithoutMlps() {
        Map<String, float[]> weights = weights();
        weights.replaceAll((name, values) -> name.contains("down_proj") ? new float[values.length] : values);
        return weights;
    }

    /** The weights by name, in HuggingFace's layout. */
    public static Map<String, float[]> weights() {
        Map<String, float[]> weights = new LinkedHashMap<>();
        for (Weight weight : Weight.values()) {
            for (int block = 0; block < (weight.inBlock() ? ARCHITECTURE.layers() : 1); block++) {
                String name = Family.LLAMA.hfName(weight, block);
                weights.put(name, values(name, size(ARCHITECTURE.shape(weight))));
            }
        }
        return weights;
    }

    static long[] shape(String name) {
        for (Weight weight : Weight.values()) {
            for (int block = 0; block < ARCHITECTURE.layers(); block++) {
                if (Family.LLAMA.hfName(weight, block).equals(name)) {
                    return ARCHITECTURE.shape(weight);
                }
            }
        }
        throw new IllegalArgumentException(name);
    }

    private static int size(long[] shape) {
        long size = 1;
        for (long n : shape) {
            size *= n;
        }
        return Math.toIntExact(size);
    }

    /** The script's toy_weight. */
    private static float[] values(String name, int count) {
        long seed = 0;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            seed = seed * 31 + b;
        }
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            long z = seed + (i + 1) * 0x9E3779B97F4A7C15L;
            z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
            z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
            z = z ^ (z >>> 31);
            float unit = (float) (z >>> 40) / (1 << 24) - 0.5f;
            values[i] = name.contains("norm") ? unit * 0.5f + 1 : unit * 0.75f;
        }
        return values;
    }

    static void writeConfig(Path folder, Map<String, Object> changes) {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("architectures", List.of("LlamaForCausalLM"));
        config.put("hidden_size", 32);
        config.put("intermediate_size", 48);
        config.put("num_hidden_layers", 3);
        config.put("num_attention_heads", 4);
        config.put("num_key_value_heads", 2);
        config.put("head_dim", 8);
        config.put("vocab_size", 300);
        config.put("max_position_embeddings", 256);
        config.put("rms_norm_eps", 1e-5);
        config.put("rope_theta", 10000.0);
        config.put("tie_word_embeddings", false);
        config.put("bos_token_id", 260);
        config.put("eos_token_id", 261);
        config.putAll(changes);
        Json.write(folder.resolve("config.json"), config);
    }

    private static void writeTokenizer(Path folder) {
        Map<String, Integer> vocabulary = new LinkedHashMap<>();
        for (char c = 0; c < 0x144; c++) {
            if (ByteLevel.toByte(c) >= 0) {
                vocabulary.put(String.valueOf(c), ByteLevel.toByte(c));
            }
        }
        List<List<String>> merges =
                List.of(List.of("t", "h"), List.of("th", "e"), List.of("Ġ", "the"), List.of("i", "n"));
        merges.forEach(merge -> vocabulary.put(String.join("", merge), vocabulary.size()));
        List<Map<String, Object>> added = new ArrayList<>();
        for (String special : List.of("<|begin|>", "<|end|>")) {
            Map<String, Object> token = new LinkedHashMap<>();
            token.put("id", 260 + added.size());
            token.put("content", special);
            List.of("single_word", "lstrip", "rstrip", "normalized").forEach(flag -> token.put(flag, false));
            token.put("special", true);
            added.add(token);
        }
        Map<String, Object> byteLevel =
                Map.of("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true, "use_regex", true);
        Json.write(
                folder.resolve("tokenizer.json"),
                Map.of(
                        "version",
                        "1.0",
                        "added_tokens",
                        added,
                        "pre_tokenizer",
                        byteLevel,
                        "decoder",
                        byteLevel,
                        "model",
                        Map.of("type", "BPE", "vocab", vocabulary, "merges", merges)));
    }

    private static void create(Path folder) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
