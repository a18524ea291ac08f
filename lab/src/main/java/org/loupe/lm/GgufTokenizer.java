package org.loupe.lm;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.loupe.io.BadInput;
import org.loupe.io.Json;

/** Writes the tokenizer inside a GGUF file as a tokenizer.json: byte-level BPE, its tokens, merges and special tokens. */
final class GgufTokenizer {
    /** {@code tokenizer.ggml.token_type} of tokens that are matched in the text before BPE. */
    private static final long CONTROL = 3;

    private static final long USER_DEFINED = 4;

    private GgufTokenizer() {}

    static Tokenizer build(Gguf gguf, int limit) {
        String model = gguf.text("tokenizer.ggml.model", null);
        if (!model.equals("gpt2")) {
            throw BadInput.in(gguf.file(), "tokenizer '" + model + "' is not supported; gpt2 (byte-level BPE) is");
        }
        List<String> tokens = gguf.texts("tokenizer.ggml.tokens");
        Map<String, Object> root = new LinkedHashMap<>();
        root.put("version", "1.0");
        root.put("added_tokens", addedTokens(gguf, tokens));
        root.put("pre_tokenizer", preTokenizer(gguf));
        root.put("decoder", byteLevel());
        root.put("model", bpe(gguf, tokens));
        return Tokenizer.fromJson(
                gguf.file(),
                Json.MAPPER.writeValueAsString(root),
                limit,
                special(gguf, "tokenizer.ggml.bos_token_id"),
                special(gguf, "tokenizer.ggml.eos_token_id"));
    }

    private static OptionalInt special(Gguf gguf, String key) {
        return gguf.get(key) == null
                ? OptionalInt.empty()
                : OptionalInt.of((int) Math.min(Integer.MAX_VALUE, gguf.whole(key, null)));
    }

    private static List<Map<String, Object>> addedTokens(Gguf gguf, List<String> tokens) {
        List<Long> types = gguf.wholes("tokenizer.ggml.token_type");
        if (types.size() != tokens.size()) {
            throw BadInput.in(gguf.file(), tokens.size() + " tokens but " + types.size() + " token types");
        }
        List<Map<String, Object>> added = new ArrayList<>();
        for (int id = 0; id < tokens.size(); id++) {
            if (types.get(id) == CONTROL || types.get(id) == USER_DEFINED) {
                Map<String, Object> token = new LinkedHashMap<>();
                token.put("id", id);
                token.put("content", tokens.get(id));
                for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
                    token.put(flag, false);
                }
                token.put("special", types.get(id) == CONTROL);
                added.add(token);
            }
        }
        return added;
    }

    /** How text is cut before BPE: GPT-2's expression, in SmolLM after each digit has been set apart. */
    private static Map<String, Object> preTokenizer(Gguf gguf) {
        String pre = gguf.text("tokenizer.ggml.pre", "gpt-2");
        return switch (pre) {
            case "gpt-2" -> byteLevel();
            case "smollm" ->
                Map.of(
                        "type",
                        "Sequence",
                        "pretokenizers",
                        List.of(Map.of("type", "Digits", "individual_digits", true), byteLevel()));
            default -> throw BadInput.unknown("pre-tokenizer of " + gguf.file(), pre, List.of("gpt-2", "smollm"));
        };
    }

    private static Map<String, Object> byteLevel() {
        return Map.of("type", "ByteLevel", "add_prefix_space", false, "trim_offsets", true, "use_regex", true);
    }

    private static Map<String, Object> bpe(Gguf gguf, List<String> tokens) {
        Map<String, Integer> vocabulary = new LinkedHashMap<>();
        for (int id = 0; id < tokens.size(); id++) {
            if (vocabulary.put(tokens.get(id), id) != null) {
                throw BadInput.in(gguf.file(), "token '" + tokens.get(id) + "' occurs twice");
            }
        }
        List<List<String>> merges = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (String merge : gguf.texts("tokenizer.ggml.merges")) {
            int space = merge.indexOf(' ', 1);
            String left = space < 0 ? "" : merge.substring(0, space);
            String right = space < 0 ? "" : merge.substring(space + 1);
            if (!vocabulary.containsKey(left)
                    || !vocabulary.containsKey(right)
                    || !vocabulary.containsKey(left + right)
                    || !seen.add(merge)) {
                throw BadInput.in(gguf.file(), "merge '" + merge + "' does not join two tokens into a third");
            }
            merges.add(List.of(left, right));
        }
        Map<String, Object> bpe = new LinkedHashMap<>();
        bpe.put("type", "BPE");
        bpe.put("vocab", vocabulary);
        bpe.put("merges", merges);
        return bpe;
    }
}
