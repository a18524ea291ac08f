package org.loupe.io;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The one JSON mapper. Unknown and missing keys of a record are refused. */
public final class Json {
    public static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build();

    private Json() {}

    /** Reads a file into a record. */
    public static <T> T read(Path file, Class<T> type) {
        try {
            return MAPPER.readValue(text(file), type);
        } catch (JacksonException e) {
            throw new BadInput(file + ": " + describe(e), e);
        }
    }

    /** Reads a file as a tree. */
    public static JsonNode tree(Path file) {
        try {
            return MAPPER.readTree(text(file));
        } catch (JacksonException e) {
            throw new BadInput(file + ": " + describe(e), e);
        }
    }

    /** Reads a tree that stood in a file, or was made from one, into a record. */
    public static <T> T convert(Path file, JsonNode tree, Class<T> type) {
        try {
            return MAPPER.treeToValue(tree, type);
        } catch (JacksonException e) {
            throw new BadInput(file + ": " + describe(e), e);
        }
    }

    /** The values in a tree that are no objects, by their keys, nested ones with a dot, in the order of the tree. */
    public static Map<String, JsonNode> leaves(JsonNode tree) {
        Map<String, JsonNode> leaves = new LinkedHashMap<>();
        leaves("", tree, leaves);
        return leaves;
    }

    private static void leaves(String prefix, JsonNode tree, Map<String, JsonNode> into) {
        tree.properties().forEach(property -> {
            String key = prefix + property.getKey();
            if (property.getValue().isObject()) {
                leaves(key + ".", property.getValue(), into);
            } else {
                into.put(key, property.getValue());
            }
        });
    }

    /** Writes a value, aside first. */
    public static void write(Path file, Object value) {
        AtomicFiles.writeString(file, MAPPER.writeValueAsString(value) + "\n");
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (java.nio.file.NoSuchFileException e) {
            throw new BadInput(file + ": no such file", e);
        } catch (java.io.IOException e) {
            throw new BadInput(file + ": cannot be read as UTF-8 text: " + e.getMessage(), e);
        }
    }

    /** Jackson's message with its place, on one line and without Java type names. */
    public static String describe(JacksonException e) {
        String where = e.getLocation() == null || e.getLocation().getLineNr() < 1
                ? ""
                : " (line " + e.getLocation().getLineNr() + ")";
        String rule = String.valueOf(e.getOriginalMessage()).lines().findFirst().orElse("not valid JSON");
        return rule.replaceAll("\\(class [^)]*\\)", "").strip() + where;
    }
}
