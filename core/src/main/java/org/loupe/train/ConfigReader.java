package org.loupe.train;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.exc.InvalidFormatException;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * Reads a {@link TrainConfig}: the defaults, over them a YAML file, over that {@code key=value} pairs (nested keys with a dot:
 * {@code optimizer.clip=0.5}). An unknown key is refused with the nearest known one, a value of the wrong kind with its key.
 */
public final class ConfigReader {
    private static final ObjectMapper YAML = YAMLMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(MapperFeature.ACCEPT_CASE_INSENSITIVE_ENUMS)
            .build();

    private ConfigReader() {}

    /** A key, its default as YAML and its sentence. */
    public record Key(String name, String defaultValue, String about) {}

    /** Every key that can be set, nested ones with a dot, in order. */
    public static List<Key> keys() {
        List<Key> keys = new ArrayList<>();
        collect("", TrainConfig.class, tree(TrainConfig.DEFAULT), keys);
        return keys;
    }

    private static void collect(String prefix, Class<?> type, JsonNode defaults, List<Key> into) {
        for (RecordComponent component : type.getRecordComponents()) {
            JsonNode value = defaults.get(component.getName());
            String name = prefix + component.getName();
            if (component.getType().isRecord()) {
                collect(name + ".", component.getType(), value, into);
            } else {
                About about = component.getAnnotation(About.class);
                into.add(new Key(name, value.asString(), about == null ? "" : about.value()));
            }
        }
    }

    /**
     * Reads a configuration.
     *
     * @param base what holds where neither the file nor a pair says otherwise
     * @param file a YAML file, or null
     * @param pairs {@code key=value}
     */
    public static TrainConfig read(TrainConfig base, @Nullable Path file, List<String> pairs) {
        ObjectNode tree = tree(base);
        if (file != null) {
            merge(tree, parse(file), "", file.toString());
        }
        pairs.forEach(pair -> set(tree, pair, "--set"));
        return convert(tree, file == null ? "--set" : file.toString());
    }

    /** The configuration as nested maps, enums in lower case; {@link #read} takes it back. */
    public static Map<String, Object> toMap(TrainConfig config) {
        Map<String, Object> map = new LinkedHashMap<>();
        tree(config).properties().forEach(p -> map.put(p.getKey(), YAML.convertValue(p.getValue(), Object.class)));
        return map;
    }

    static ObjectNode tree(TrainConfig config) {
        ObjectNode tree = YAML.valueToTree(config);
        lowerEnums(tree, TrainConfig.class);
        return tree;
    }

    private static void lowerEnums(ObjectNode tree, Class<?> type) {
        for (RecordComponent component : type.getRecordComponents()) {
            JsonNode value = tree.get(component.getName());
            if (component.getType().isEnum()) {
                tree.put(component.getName(), value.asString().toLowerCase(Locale.ROOT));
            } else if (value instanceof ObjectNode nested) {
                lowerEnums(nested, component.getType());
            }
        }
    }

    static ObjectNode parse(Path file) {
        try {
            JsonNode node = YAML.readTree(Files.readString(file));
            if (node instanceof ObjectNode object) {
                return object;
            }
            throw BadInput.in(file, "is not a YAML mapping of keys to values");
        } catch (JacksonException e) {
            throw new BadInput(file + ": is not valid YAML: " + firstLine(e), e);
        } catch (IOException e) {
            throw new BadInput(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    static void merge(ObjectNode into, ObjectNode from, String prefix, String where) {
        for (Map.Entry<String, JsonNode> property : from.properties()) {
            String name = prefix + property.getKey();
            JsonNode known = into.get(property.getKey());
            if (known == null) {
                throw new BadInput(where + ": " + unknown(name).getMessage());
            }
            if (property.getValue().isNull()) {
                throw new BadInput(where + ": '" + name + "' has no value");
            }
            if (known instanceof ObjectNode nested) {
                if (!(property.getValue() instanceof ObjectNode values)) {
                    throw new BadInput(where + ": '" + name + "' is " + property.getValue() + ", expected a mapping");
                }
                merge(nested, values, name + ".", where);
            } else {
                into.set(property.getKey(), property.getValue());
            }
        }
    }

    /**
     * Sets one key.
     *
     * @param option names the pair where it is wrong
     */
    static void set(ObjectNode tree, String pair, String option) {
        int equals = pair.indexOf('=');
        if (equals < 1) {
            throw new BadInput(option + " " + pair + ": expected key=value");
        }
        set(tree, pair.substring(0, equals).strip(), pair.substring(equals + 1).strip(), option);
    }

    private static void set(ObjectNode tree, String key, String value, String option) {
        ObjectNode node = tree;
        String[] path = key.split("\\.", -1);
        for (int i = 0; i < path.length - 1; i++) {
            if (!(node.get(path[i]) instanceof ObjectNode nested)) {
                throw unknown(key);
            }
            node = nested;
        }
        String last = path[path.length - 1];
        JsonNode known = node.get(last);
        if (known == null || known.isObject()) {
            throw unknown(key);
        }
        try {
            JsonNode parsed = YAML.readTree(value);
            if (parsed.isNull() || parsed.isMissingNode()) {
                throw new BadInput(option + " " + key + "=" + value + ": '" + key + "' has no value");
            }
            node.set(last, parsed);
        } catch (JacksonException e) {
            throw new BadInput(option + " " + key + "=" + value + ": is not a YAML value", e);
        }
    }

    private static BadInput unknown(String key) {
        return BadInput.unknown("key", key, keys().stream().map(Key::name).toList());
    }

    static TrainConfig convert(ObjectNode tree, String where) {
        try {
            return YAML.treeToValue(tree, TrainConfig.class);
        } catch (JacksonException e) {
            Throwable cause = e.getCause();
            if (cause instanceof IllegalArgumentException) {
                throw new BadInput(where + ": " + cause.getMessage(), e);
            }
            String path = String.join(
                    ".",
                    e.getPath().stream()
                            .map(r -> String.valueOf(r.getPropertyName()))
                            .toList());
            throw new BadInput(where + ": " + path + ": " + reason(e), e);
        }
    }

    private static String reason(JacksonException e) {
        if (e instanceof InvalidFormatException format && format.getTargetType().isEnum()) {
            String names = Arrays.stream(format.getTargetType().getEnumConstants())
                    .map(constant -> constant.toString().toLowerCase(Locale.ROOT))
                    .collect(Collectors.joining(", "));
            return "'" + format.getValue() + "', expected one of " + names;
        }
        return firstLine(e);
    }

    private static String firstLine(JacksonException e) {
        return String.valueOf(e.getOriginalMessage())
                .lines()
                .findFirst()
                .orElse("")
                .replaceAll("org\\.loupe\\.train\\.([A-Za-z]+[.$])*", "")
                .replace("`", "'");
    }
}
