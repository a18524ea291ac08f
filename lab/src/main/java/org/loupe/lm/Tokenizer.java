package org.loupe.lm;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/** Text to token ids and back, by HuggingFace's tokenizers library. It reads what it is given and never the network. */
public final class Tokenizer implements AutoCloseable {
    static {
        // DJL looks for updates of its native part and for an EC2 host unless told not to.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private static final String SEPARATOR = "<|endoftext|>";

    private static final Map<String, String> OPTIONS =
            Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");

    private final HuggingFaceTokenizer tokenizer;
    private final Map<Integer, String> pieces;
    private final int vocabulary;
    private final OptionalInt bos;
    private final OptionalInt eos;

    private Tokenizer(
            HuggingFaceTokenizer tokenizer,
            Map<Integer, String> pieces,
            int vocabulary,
            OptionalInt bos,
            OptionalInt eos) {
        this.tokenizer = tokenizer;
        this.pieces = pieces;
        this.vocabulary = vocabulary;
        this.bos = bos;
        this.eos = eos;
    }

    /**
     * The tokenizer that a tokenizer.json describes.
     *
     * @param source file named in messages
     * @param limit number of ids of the model; a tokenizer with larger ids is refused
     */
    static Tokenizer fromJson(Path source, String json, int limit, OptionalInt bos, OptionalInt eos) {
        Map<Integer, String> pieces = pieces(source, json);
        int vocabulary = pieces.keySet().stream().mapToInt(id -> id + 1).max().orElse(0);
        if (vocabulary > limit || vocabulary == 0) {
            throw BadInput.in(
                    source, "the tokenizer has ids up to " + (vocabulary - 1) + ", the model " + limit + " of them");
        }
        for (OptionalInt special : new OptionalInt[] {bos, eos}) {
            if (special.isPresent() && !pieces.containsKey(special.getAsInt())) {
                throw BadInput.in(source, "special token " + special.getAsInt() + " is not in the vocabulary");
            }
        }
        try {
            HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), OPTIONS);
            return new Tokenizer(tokenizer, pieces, vocabulary, bos, eos);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (RuntimeException e) {
            throw new BadInput(source + ": the tokenizer is refused: " + e.getMessage(), e);
        }
    }

    /** The tokenizer of a HuggingFace folder; its special tokens from config.json. */
    static Tokenizer fromFolder(Path folder, int limit) {
        Path file = folder.resolve("tokenizer.json");
        try {
            JsonNode config = Json.tree(folder.resolve("config.json"));
            return fromJson(
                    file,
                    Files.readString(file),
                    limit,
                    special(config.path("bos_token_id")),
                    special(config.path("eos_token_id")));
        } catch (IOException e) {
            throw new BadInput(file + ": cannot be read as UTF-8 text: " + e.getMessage(), e);
        }
    }

    /** A token id; the first of them where a model has several. */
    private static OptionalInt special(JsonNode node) {
        JsonNode first = node.isArray() ? node.path(0) : node;
        return first.canConvertToInt() && first.isIntegralNumber()
                ? OptionalInt.of(first.asInt())
                : OptionalInt.empty();
    }

    private static Map<Integer, String> pieces(Path source, String json) {
        Map<Integer, String> pieces = new HashMap<>();
        try {
            JsonNode root = Json.MAPPER.readTree(json);
            for (Map.Entry<String, JsonNode> entry :
                    root.path("model").path("vocab").properties()) {
                pieces.put(entry.getValue().asInt(-1), entry.getKey());
            }
            for (JsonNode added : root.path("added_tokens")) {
                pieces.put(added.path("id").asInt(-1), added.path("content").asString(""));
            }
        } catch (JacksonException e) {
            throw new BadInput(source + ": not valid JSON: " + e.getOriginalMessage(), e);
        }
        if (pieces.containsKey(-1)) {
            throw BadInput.in(source, "token '" + pieces.get(-1) + "' has no id");
        }
        return pieces;
    }

    /** The ids of a text, with no token added before or after it. A special token's own text becomes its id. */
    public int[] encode(String text) {
        Encoding encoding = tokenizer.encode(text, false, false);
        return Arrays.stream(encoding.getIds()).mapToInt(Math::toIntExact).toArray();
    }

    /** The text of ids, special tokens included. */
    public String decode(int... ids) {
        for (int id : ids) {
            requireId(id);
        }
        return tokenizer.decode(Arrays.stream(ids).asLongStream().toArray(), false);
    }

    /**
     * One token as a reader sees it: its text, or its bytes as {@code \xNN} where they are no whole characters; {@code #id} for one
     * of the ids behind the vocabulary by which some models' embeddings are rounded up.
     */
    public String token(int id) {
        if (id >= vocabulary) {
            return "#" + id;
        }
        String text = decode(id);
        if (text.indexOf('\uFFFD') < 0) {
            return text;
        }
        StringBuilder bytes = new StringBuilder();
        String piece = pieces.getOrDefault(id, text);
        for (int i = 0; i < piece.length(); i++) {
            int value = ByteLevel.toByte(piece.charAt(i));
            bytes.append(value < 0 ? String.valueOf(piece.charAt(i)) : String.format("\\x%02X", value));
        }
        return bytes.toString();
    }

    private void requireId(int id) {
        if (id < 0 || id >= vocabulary) {
            throw new IllegalArgumentException("token id " + id + ", expected 0 to " + (vocabulary - 1));
        }
    }

    /** Number of token ids, added special tokens included. */
    public int vocabulary() {
        return vocabulary;
    }

    /** The token that begins a text, where the model has one. */
    public OptionalInt bos() {
        return bos;
    }

    /** The token that ends a text, where the model has one. */
    public OptionalInt eos() {
        return eos;
    }

    /** The tokens after which a text is over: {@link #eos} and the separator of documents in pre-training. */
    public Set<Integer> endsOfText() {
        Set<Integer> ends = new HashSet<>();
        eos.ifPresent(ends::add);
        int[] separator = encode(SEPARATOR);
        if (separator.length == 1) {
            ends.add(separator[0]);
        }
        return ends;
    }

    /**
     * What goes before a document: the token that separated documents in pre-training, where the vocabulary has it, since the
     * texts that the model knows begin behind it; else the beginning-of-text token; else nothing.
     */
    public int[] prefix() {
        int[] separator = encode(SEPARATOR);
        return separator.length == 1 ? separator : bos.stream().toArray();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
