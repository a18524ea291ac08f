package org.loupe.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The configurations of a training command. What varies comes from three places, of which every combination is taken: the list
 * {@code sweep:} of a YAML file, each entry a mapping of keys to values; {@code key=value,value,…}; and a number of seeds.
 */
public final class Sweep {
    /** Key of the list in a YAML file. */
    private static final String LIST = "sweep";

    private static final String SEED = "seed";

    private Sweep() {}

    /**
     * One configuration, and in what it differs from the others.
     *
     * @param overrides key → value, nested keys with a dot; empty where nothing varies
     */
    public record Variant(Map<String, String> overrides, TrainConfig config) {
        /** A name for people and folders: {@code k-16_lr-0.001}; empty where nothing varies. */
        public String name() {
            return name(overrides);
        }

        /** What it is called apart from its seed: variants of one family differ by their seed alone. */
        public String family() {
            Map<String, String> others = new LinkedHashMap<>(overrides);
            others.remove(SEED);
            return name(others);
        }

        private static String name(Map<String, String> overrides) {
            return overrides.entrySet().stream()
                    .map(e -> e.getKey() + "-" + e.getValue().replaceAll("[^A-Za-z0-9.+-]", "-"))
                    .collect(Collectors.joining("_"));
        }
    }

    /**
     * Reads every configuration; one without overrides where nothing varies.
     *
     * @param file a YAML file, or null
     * @param pairs {@code key=value}, for every configuration
     * @param axes {@code key=value,value,…}
     * @param seeds how many seeds, from the one that is configured on; null: that one
     */
    public static List<Variant> read(
            TrainConfig base, @Nullable Path file, List<String> pairs, List<String> axes, @Nullable Integer seeds) {
        if (seeds != null && seeds < 1) {
            throw new BadInput("--seeds: " + seeds + ", expected ≥ 1");
        }
        ObjectNode tree = ConfigReader.tree(base);
        List<Map<String, String>> varied = List.of(Map.of());
        if (file != null) {
            ObjectNode yaml = ConfigReader.parse(file);
            JsonNode list = yaml.remove(LIST);
            ConfigReader.merge(tree, yaml, "", file.toString());
            varied = list == null ? varied : entries(list, file);
        }
        pairs.forEach(pair -> ConfigReader.set(tree, pair, "--set"));
        for (String axis : axes) {
            varied = product(varied, axis(axis));
        }
        String source = file == null ? "--set" : file.toString();
        List<Variant> variants = new ArrayList<>();
        for (Map<String, String> overrides : varied) {
            Variant variant = variant(tree, overrides, source);
            variants.addAll(seeds == null ? List.of(variant) : withSeeds(variant, seeds, tree, source));
        }
        requireDifferent(variants);
        return variants;
    }

    private static List<Variant> withSeeds(Variant variant, int seeds, ObjectNode tree, String source) {
        if (variant.overrides().containsKey(SEED)) {
            throw new BadInput("--seeds beside a sweep of 'seed': choose one");
        }
        List<Variant> all = new ArrayList<>();
        for (int i = 0; i < seeds; i++) {
            Map<String, String> overrides = new LinkedHashMap<>(variant.overrides());
            overrides.put(SEED, Long.toString(variant.config().seed() + i));
            all.add(variant(tree, overrides, source));
        }
        return all;
    }

    private static Variant variant(ObjectNode tree, Map<String, String> overrides, String source) {
        ObjectNode copy = tree.deepCopy();
        overrides.forEach((key, value) -> ConfigReader.set(copy, key + "=" + value, LIST));
        String where = overrides.isEmpty() ? source : LIST + " " + Variant.name(overrides);
        return new Variant(overrides, ConfigReader.convert(copy, where));
    }

    private static void requireDifferent(List<Variant> variants) {
        Set<String> names = new HashSet<>();
        for (Variant variant : variants) {
            if (!names.add(variant.name())) {
                throw new BadInput("sweep: '" + variant.name() + "' is there twice");
            }
        }
    }

    private static List<Map<String, String>> axis(String text) {
        int equals = text.indexOf('=');
        String key = text.substring(0, Math.max(0, equals)).strip();
        List<String> values = List.of(text.substring(equals + 1).split(",", -1));
        if (key.isEmpty() || values.stream().anyMatch(String::isBlank)) {
            throw new BadInput("--sweep " + text + ": expected key=value,value,…");
        }
        return values.stream().map(value -> Map.of(key, value.strip())).toList();
    }

    private static List<Map<String, String>> product(List<Map<String, String>> left, List<Map<String, String>> right) {
        List<Map<String, String>> all = new ArrayList<>();
        for (Map<String, String> one : left) {
            for (Map<String, String> other : right) {
                Map<String, String> both = new LinkedHashMap<>(one);
                other.forEach((key, value) -> {
                    if (both.put(key, value) != null) {
                        throw new BadInput("sweep: '" + key + "' varies in two places; list its values once");
                    }
                });
                all.add(both);
            }
        }
        return all;
    }

    private static List<Map<String, String>> entries(JsonNode list, Path file) {
        if (!list.isArray() || list.isEmpty()) {
            throw BadInput.in(file, "'" + LIST + "' is " + list + ", expected a list of at least one mapping");
        }
        List<Map<String, String>> entries = new ArrayList<>();
        for (JsonNode entry : list) {
            Map<String, String> overrides = new LinkedHashMap<>();
            if (!(entry instanceof ObjectNode mapping) || mapping.isEmpty()) {
                throw BadInput.in(
                        file, "entry " + entries.size() + " of '" + LIST + "' is " + entry + ", expected a mapping");
            }
            Json.leaves(mapping).forEach((key, value) -> {
                if (!value.isValueNode() || value.isNull()) {
                    throw BadInput.in(file, "'" + LIST + "': '" + key + "' is " + value + ", expected one value");
                }
                overrides.put(key, value.asString());
            });
            entries.add(overrides);
        }
        return entries;
    }
}
