package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.SafetensorsWriter;

/** Model files that are right, and model files that are refused. */
class CheckpointTest {
    @TempDir
    Path folder;

    @BeforeEach
    void write() {
        ToyModel.write(folder);
    }

    private void refused(String... words) {
        BadInput refused = assertThrows(
                BadInput.class,
                () -> LanguageModel.load(new ModelFiles("toy", folder), Precision.F32, 1)
                        .close());
        for (String word : words) {
            assertTrue(refused.toString().contains(word), refused.toString());
        }
    }

    private void writeWeights(Map<String, float[]> changes, List<String> leftOut) {
        SafetensorsWriter writer = new SafetensorsWriter();
        Map<String, float[]> weights = new HashMap<>(ToyModel.weights());
        weights.putAll(changes);
        weights.forEach((name, values) -> {
            if (!leftOut.contains(name)) {
                writer.f32(name, values, changes.containsKey(name) ? new long[] {values.length} : ToyModel.shape(name));
            }
        });
        writer.write(folder.resolve("model.safetensors"));
    }

    @Test
    void aGgufFileOfTheSameWeightsIsTheSameModel() {
        int[] ids = {260, 5, 77, 200, 3, 3, 299};
        ModelFiles gguf = ToyGguf.write(folder.resolve("toy.gguf"));
        try (LanguageModel one = LanguageModel.load(new ModelFiles("toy", folder), Precision.F32, 1);
                LanguageModel other = LanguageModel.load(gguf, Precision.F32, 1)) {
            HookPoint point = HookPoint.residPost(2);
            assertArrayEquals(
                    one.activations(TokenBatch.of(ids), point).data(),
                    other.activations(TokenBatch.of(ids), point).data());
            assertNotEquals(one.info().sha256(), other.info().sha256());
            assertEquals(one.info().parameters(), other.info().parameters());
            String text = "in the théâtre<|end|> 7";
            assertArrayEquals(one.tokenizer().encode(text), other.tokenizer().encode(text));
            assertEquals(one.tokenizer().bos(), other.tokenizer().bos());
        }
    }

    @Test
    void theTokenizerGoesThereAndBack() {
        try (LanguageModel model = LanguageModel.load(new ModelFiles("toy", folder), Precision.F32, 1)) {
            Tokenizer tokenizer = model.tokenizer();
            assertEquals(262, tokenizer.vocabulary());
            assertArrayEquals(new int[] {260, 259, 258}, tokenizer.encode("<|begin|>in the"));
            assertEquals(" the", tokenizer.token(258));
            assertEquals("\\xC3", tokenizer.token(0xC3));
            assertEquals("é", tokenizer.decode(0xC3, 0xA9));
            assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(262));
        }
    }

    @Test
    void wrongWeightsAreRefused() {
        writeWeights(Map.of(), List.of("model.layers.1.mlp.up_proj.weight"));
        refused("'model.layers.1.mlp.up_proj.weight' is missing");
        writeWeights(Map.of("model.layers.0.self_attn.q_proj.bias", new float[32]), List.of());
        refused("'model.layers.0.self_attn.q_proj.bias' has no place");
        writeWeights(Map.of("model.norm.weight", new float[31]), List.of());
        refused("'model.norm.weight' has shape [31], expected [32]");
        float[] norm = new float[32];
        norm[7] = Float.NaN;
        writeWeights(Map.of("model.norm.weight", norm), List.of());
        refused("'model.norm.weight' holds NaN at element 7");
        norm[7] = Float.NEGATIVE_INFINITY;
        writeWeights(Map.of("model.norm.weight", norm), List.of());
        refused("'model.norm.weight' holds -Infinity at element 7");
    }

    @Test
    void wrongConfigurationsAreRefused() {
        record Case(String key, Object value, String word) {}
        for (Case wrong : List.of(
                new Case("architectures", List.of("LlamaForCausalLN"), "did you mean 'LlamaForCausalLM'"),
                new Case("attention_bias", true, "attention_bias"),
                new Case("hidden_act", "gelu", "hidden_act 'gelu'"),
                new Case("rope_scaling", Map.of("rope_type", "llama3"), "rope scaling 'llama3'"),
                new Case("num_key_value_heads", 3, "4 heads are not a multiple of 3"),
                new Case("num_hidden_layers", 1 << 28, "'model.layers.3.input_layernorm.weight' is missing"),
                new Case("head_dim", 7, "head width 7 is odd"),
                new Case("hidden_size", "wide", "'hidden_size' is \"wide\""),
                new Case("hidden_size", -1, "width is -1"),
                new Case("num_hidden_layers", 2, "model.layers.2."),
                new Case("vocab_size", 261, "ids up to 261, the model 261 of them"),
                new Case("bos_token_id", 275, "special token 275"))) {
            ToyModel.writeConfig(folder, Map.of(wrong.key(), wrong.value()));
            refused(wrong.word());
        }
    }

    @Test
    void brokenFilesAreRefused() throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}");
        refused("tokenizer.json");
        Files.writeString(folder.resolve("tokenizer.json"), "no JSON");
        refused("tokenizer.json");
        Files.delete(folder.resolve("tokenizer.json"));
        refused("tokenizer.json");
        Json.write(
                folder.resolve("model.safetensors.index.json"), Map.of("weight_map", Map.of("a", "../../etc/passwd")));
        refused("names no file of this folder");
        Json.write(folder.resolve("model.safetensors.index.json"), Map.of("weight_map", Map.of("a", "none")));
        refused("none");
        Files.delete(folder.resolve("model.safetensors.index.json"));
        Files.delete(folder.resolve("model.safetensors"));
        refused("no *.safetensors file");
        Files.writeString(folder.resolve("config.json"), "[]");
        refused("architecture");
        Files.delete(folder.resolve("config.json"));
        refused("config.json");
    }
}
