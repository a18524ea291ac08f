package org.loupe.lm;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

/**
 * A HuggingFace config.json. What the transformer does not do (biases, another activation function, scaled rotary
 * embeddings) is refused rather than left out.
 */
record HfConfig(Family family, Architecture architecture) {
    static HfConfig read(Path file) {
        JsonNode json = Json.tree(file);
        String className = json.path("architectures").path(0).asString("");
        List<String> known =
                Family.ALL.stream().flatMap(f -> f.classes().stream()).toList();
        Family family = Family.ALL.stream()
                .filter(f -> f.classes().contains(className))
                .findFirst()
                .orElseThrow(() -> BadInput.unknown("architecture of " + file, className, known));
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            if (json.path(bias).asBoolean(false)) {
                throw BadInput.in(file, bias + " is true, which is not supported");
            }
        }
        String activation = json.path("hidden_act").asString("silu");
        if (!activation.equals("silu")) {
            throw BadInput.in(file, "hidden_act '" + activation + "' is not supported; silu is");
        }
        int heads = whole(file, json, "num_attention_heads", OptionalInt.empty());
        int width = whole(file, json, "hidden_size", OptionalInt.empty());
        int context = whole(file, json, "max_position_embeddings", OptionalInt.of(2048));
        // Within its window, sliding-window attention is plain causal attention.
        int window = whole(file, json, "sliding_window", OptionalInt.of(context));
        Architecture architecture = new Architecture(
                        family.name(),
                        whole(file, json, "num_hidden_layers", OptionalInt.empty()),
                        width,
                        heads,
                        whole(file, json, "num_key_value_heads", OptionalInt.of(heads)),
                        whole(file, json, "head_dim", OptionalInt.of(width / Math.max(1, heads))),
                        whole(file, json, "intermediate_size", OptionalInt.empty()),
                        whole(file, json, "vocab_size", OptionalInt.empty()),
                        Math.min(context, window),
                        json.path("rms_norm_eps").asDouble(1e-6),
                        ropeBase(file, json),
                        json.path("tie_word_embeddings").asBoolean(false))
                .check(file);
        return new HfConfig(family, architecture);
    }

    /** {@code rope_theta}, at the top or, in newer files, inside {@code rope_parameters}. */
    private static double ropeBase(Path file, JsonNode json) {
        JsonNode rope = json.path("rope_parameters").isObject() ? json.path("rope_parameters") : json;
        for (JsonNode scaling : List.of(json.path("rope_scaling"), json.path("rope_parameters"))) {
            String type =
                    scaling.path("rope_type").asString(scaling.path("type").asString("default"));
            if (!type.equals("default")) {
                throw BadInput.in(file, "rope scaling '" + type + "' is not supported");
            }
        }
        return rope.path("rope_theta").asDouble(10_000);
    }

    private static int whole(Path file, JsonNode json, String key, OptionalInt fallback) {
        JsonNode node = json.path(key);
        if ((node.isMissingNode() || node.isNull()) && fallback.isPresent()) {
            return fallback.getAsInt();
        }
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw BadInput.in(file, "'" + key + "' is " + node + ", expected a whole number");
        }
        return node.asInt();
    }
}
