package org.loupe.lm;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import org.loupe.io.Safetensors;
import org.loupe.io.Sha256;
import tools.jackson.databind.JsonNode;

/**
 * A checkpoint in a HuggingFace folder: config.json, tokenizer.json and model.safetensors, or the shards that
 * model.safetensors.index.json names.
 */
final class HfCheckpoint implements Checkpoint {
    private final Path folder;
    private final Family family;
    private final Architecture architecture;
    private final List<Safetensors> shards;
    private final Map<String, Safetensors.Entry> tensors;

    private HfCheckpoint(
            Path folder,
            Family family,
            Architecture architecture,
            List<Safetensors> shards,
            Map<String, Safetensors.Entry> tensors) {
        this.folder = folder;
        this.family = family;
        this.architecture = architecture;
        this.shards = shards;
        this.tensors = tensors;
    }

    static HfCheckpoint open(Path folder) {
        HfConfig config = HfConfig.read(folder.resolve("config.json"));
        List<Safetensors> shards = new ArrayList<>();
        try {
            for (Path file : files(folder)) {
                shards.add(Safetensors.open(file));
            }
            Map<String, Safetensors.Entry> tensors = new LinkedHashMap<>();
            for (Safetensors shard : shards) {
                for (Safetensors.Entry entry : shard.entries().values()) {
                    Safetensors.Entry other = tensors.put(entry.name(), entry);
                    if (other != null) {
                        throw BadInput.in(entry.file(), "tensor '" + entry.name() + "' is also in " + other.file());
                    }
                }
            }
            Checkpoint.requireTensors(folder, config.architecture(), tensors.keySet(), config.family()::hfName);
            return new HfCheckpoint(folder, config.family(), config.architecture(), shards, tensors);
        } catch (RuntimeException e) {
            shards.forEach(Safetensors::close);
            throw e;
        }
    }

    /** The safetensors files of a folder, in name order. */
    private static List<Path> files(Path folder) {
        Path index = folder.resolve("model.safetensors.index.json");
        if (Files.exists(index)) {
            JsonNode map = Json.tree(index).path("weight_map");
            TreeSet<String> names = new TreeSet<>();
            for (Map.Entry<String, JsonNode> entry : map.properties()) {
                String name = entry.getValue().asString("");
                if (name.isEmpty() || name.contains("/") || name.contains("\\")) {
                    throw BadInput.in(index, "weight_map of '" + entry.getKey() + "' names no file of this folder");
                }
                names.add(name);
            }
            if (names.isEmpty()) {
                throw BadInput.in(index, "it has no weight_map");
            }
            return names.stream().map(folder::resolve).toList();
        }
        try (Stream<Path> all = Files.list(folder)) {
            List<Path> files = all.filter(f -> f.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
            if (files.isEmpty()) {
                throw BadInput.in(folder, "no *.safetensors file in this folder");
            }
            return files;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + folder + ": " + e.getMessage(), e);
        }
    }

    @Override
    public Architecture architecture() {
        return architecture;
    }

    @Override
    public float[] weight(Weight weight, int block) {
        String name = family.hfName(weight, block);
        Safetensors.Entry tensor = tensors.get(name);
        if (tensor == null) {
            throw BadInput.in(folder, "tensor '" + name + "' is missing");
        }
        return Checkpoint.requireFinite(
                tensor.file(),
                name,
                tensor.requireShape(architecture.shape(weight)).floats());
    }

    @Override
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        for (Safetensors shard : shards) {
            digest.update(Sha256.of(shard.file()).getBytes(StandardCharsets.US_ASCII));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    @Override
    public Tokenizer tokenizer() {
        return Tokenizer.fromFolder(folder, architecture.vocabulary());
    }

    @Override
    public void close() {
        shards.forEach(Safetensors::close);
    }
}
