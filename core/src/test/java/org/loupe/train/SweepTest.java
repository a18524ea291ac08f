package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.io.BadInput;

class SweepTest {
    @TempDir
    Path folder;

    private static List<Sweep.Variant> read(
            @Nullable Path file, List<String> pairs, List<String> axes, @Nullable Integer seeds) {
        return Sweep.read(TrainConfig.DEFAULT, file, pairs, axes, seeds);
    }

    private Path yaml(String text) throws IOException {
        return Files.writeString(folder.resolve("train.yaml"), text);
    }

    private static List<String> names(List<Sweep.Variant> variants) {
        return variants.stream().map(Sweep.Variant::name).toList();
    }

    private static void assertRefused(String words, org.junit.jupiter.api.function.Executable reading) {
        String message = String.valueOf(assertThrows(BadInput.class, reading).getMessage());
        assertTrue(message.contains(words), message);
    }

    @Test
    void whereNothingVariesThereIsTheConfigurationAlone() throws IOException {
        List<String> pairs = List.of("k=7", "optimizer.clip=0.5");
        Path file = yaml("latents: 512");
        List<Sweep.Variant> variants = read(file, pairs, List.of(), null);
        assertEquals(List.of(""), names(variants));
        assertEquals(
                ConfigReader.read(TrainConfig.DEFAULT, file, pairs),
                variants.getFirst().config());
    }

    @Test
    void axesAreCombinedInTheirOrder() {
        List<Sweep.Variant> variants =
                read(null, List.of("latents=512"), List.of("k=16, 32", "optimizer.clip=0.5,1e0"), null);
        assertEquals(
                List.of(
                        "k-16_optimizer.clip-0.5",
                        "k-16_optimizer.clip-1e0",
                        "k-32_optimizer.clip-0.5",
                        "k-32_optimizer.clip-1e0"),
                names(variants));
        TrainConfig last = variants.getLast().config();
        assertEquals(
                ConfigReader.read(TrainConfig.DEFAULT, null, List.of("latents=512", "k=32", "optimizer.clip=1.0")),
                last);
    }

    /** An axis goes over --set, and over the file, whose own k would be above its latents. */
    @Test
    void aFileListsMappingsAndAnAxisCombinesWithThem() throws IOException {
        Path file = yaml("""
                latents: 20
                sweep:
                  - {latents: 512, optimizer: {clip: 0.25}}
                  - {lr: 0.001}
                """);
        List<Sweep.Variant> variants = read(file, List.of("k=8", "latents=256"), List.of("k=3,4"), null);
        assertEquals(
                List.of(
                        "latents-512_optimizer.clip-0.25_k-3",
                        "latents-512_optimizer.clip-0.25_k-4",
                        "lr-0.001_k-3",
                        "lr-0.001_k-4"),
                names(variants));
        assertEquals(512, variants.get(1).config().latents());
        assertEquals(0.25, variants.get(1).config().optimizer().clip());
        assertEquals(4, variants.get(1).config().k());
        assertEquals(256, variants.get(2).config().latents());
        assertEquals(0.001, variants.get(2).config().lr());
    }

    @Test
    void seedsGoOnFromTheConfiguredOneAndMakeFamilies() {
        List<Sweep.Variant> variants = read(null, List.of("seed=5"), List.of("k=16,32"), 2);
        assertEquals(List.of("k-16_seed-5", "k-16_seed-6", "k-32_seed-5", "k-32_seed-6"), names(variants));
        assertEquals(
                List.of("k-16", "k-16", "k-32", "k-32"),
                variants.stream().map(Sweep.Variant::family).toList());
        assertEquals(6, variants.get(3).config().seed());
        assertEquals(List.of("seed-0"), names(read(null, List.of(), List.of(), 1)));
        assertEquals(
                "", read(null, List.of(), List.of("seed=1,2"), null).getFirst().family());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "kk=1,2 | did you mean 'k'",
                "optimizer=1,2 | unknown key 'optimizer'",
                "k= | --sweep k=: expected key=value,value,…",
                "k | --sweep k: expected key=value,value,…",
                "=1,2 | expected key=value,value,…",
                "k=1,,2 | --sweep k=1,,2: expected key=value,value,…",
                "k=1,0 | sweep k-0: k: 0, expected from 1",
                "k=1,many | sweep k-many: k: ",
                "k=8,8 | 'k-8' is there twice",
                "architecture=topk,topj | sweep architecture-topj: architecture: 'topj', expected one of"
            })
    void aWrongAxisIsRefused(String axis, String words) {
        assertRefused(words, () -> read(null, List.of(), List.of(axis), null));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "sweep: [] | 'sweep' is [], expected a list of at least one mapping",
                "sweep: {k: 3} | expected a list",
                "sweep: | expected a list",
                "sweep: [3] | entry 0 of 'sweep' is 3, expected a mapping",
                "sweep: [{k: 3}, {}] | entry 1 of 'sweep' is {}, expected a mapping",
                "sweep: [{k: [3, 4]}] | 'k' is [3,4], expected one value",
                "sweep: [{optimizer: {clop: 3}}] | did you mean 'optimizer.clip'",
                "sweep: [{k: 3}, {k: 3}] | 'k-3' is there twice"
            })
    void aWrongListIsRefused(String text, String words) throws IOException {
        Path file = yaml(text);
        assertRefused(words, () -> read(file, List.of(), List.of(), null));
    }

    @Test
    void seedsAndSweepsThatContradictAreRefused() throws IOException {
        assertRefused("--seeds: 0, expected ≥ 1", () -> read(null, List.of(), List.of(), 0));
        assertRefused("choose one", () -> read(null, List.of(), List.of("seed=1,2"), 2));
        assertRefused("'k' varies in two places", () -> read(null, List.of(), List.of("k=1,2", "k=3"), null));
        Path file = yaml("sweep: [{seed: 3}]");
        assertRefused("choose one", () -> read(file, List.of(), List.of(), 2));
    }
}
