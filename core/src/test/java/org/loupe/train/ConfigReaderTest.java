package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.loupe.io.BadInput;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

class ConfigReaderTest {
    @TempDir
    Path folder;

    private static TrainConfig set(String... pairs) {
        return ConfigReader.read(TrainConfig.DEFAULT, null, List.of(pairs));
    }

    private TrainConfig yaml(String text, String... pairs) throws IOException {
        Path file = folder.resolve("train.yaml");
        Files.writeString(file, text);
        return ConfigReader.read(TrainConfig.DEFAULT, file, List.of(pairs));
    }

    @Test
    void nothingSetGivesTheDefaults() throws IOException {
        assertEquals(TrainConfig.DEFAULT, set());
        assertEquals(TrainConfig.DEFAULT, yaml("{}"));
    }

    @Test
    void pairsWinOverTheFileAndTheFileOverTheDefaults() throws IOException {
        TrainConfig config = yaml("""
                latents: 512
                k: 5   # few
                precision: FAST
                optimizer:
                  clip: 0.5
                input:
                  centre: mean
                  shuffle: false
                """, "k=7", "optimizer.beta2=0.99", " lr = 1e-3 ");
        assertEquals(512, config.latents());
        assertEquals(7, config.k());
        assertEquals(Precision.FAST, config.precision());
        assertEquals(0.5, config.optimizer().clip());
        assertEquals(0.99, config.optimizer().beta2());
        assertEquals(0.9, config.optimizer().beta1());
        assertEquals(1e-3, config.lr());
        assertEquals(Centre.MEAN, config.input().centre());
        assertEquals(false, config.input().shuffle());
        assertEquals(TrainConfig.DEFAULT.auxk(), config.auxk());
    }

    @Test
    void theMapOfAConfigurationIsReadBackEqual() throws IOException {
        TrainConfig config = set("latents=77", "precision=fast", "input.centre=mean", "seed=-9", "tokens=5000000000");
        assertEquals(config, yaml(Json.MAPPER.writeValueAsString(ConfigReader.toMap(config))));
        JsonNode map = Json.MAPPER.valueToTree(ConfigReader.toMap(config));
        assertEquals("fast", map.path("precision").asString());
        assertEquals(5_000_000_000L, map.path("tokens").asLong());
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "latnets=5 | latnets | latents",
                "optimizer.clp=5 | optimizer.clp | optimizer.clip",
                "optimiser.clip=5 | optimiser.clip | optimizer.clip",
                "auxk=5 | auxk | auxk.k",
                "latents.k=5 | latents.k | latents",
                "K=5 | K | k"
            })
    void aMisspeltKeyIsRefusedWithTheNearest(String pair, String key, String nearest) {
        BadInput refusal = assertThrows(BadInput.class, () -> set(pair));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("'" + key + "'; did you mean '" + nearest + "'"), message);
    }

    @Test
    void aMisspeltKeyOfAFileIsRefusedWithTheFile() {
        BadInput refusal = assertThrows(BadInput.class, () -> yaml("optimizer:\n  warm_up: 0.1\n"));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains("train.yaml"), message);
        assertTrue(message.contains("'optimizer.warm_up'; did you mean 'optimizer.warmup'?"), message);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "latents=many | latents | many",
                "latents=2.5 | latents | 2.5",
                "latents=3000000000 | latents | 3000000000",
                "latents=[1, 2] | latents | int",
                "latents= | latents | no value",
                "k=true | k | int",
                "lr=quick | lr | quick",
                "input.shuffle=perhaps | input.shuffle | perhaps",
                "precision=f16 | precision | one of f32, bf16, int8, fast",
                "precision= | precision | no value",
                "architecture=null | architecture | no value",
                "input.centre=median | input.centre | median"
            })
    void aValueOfTheWrongKindIsRefusedWithItsKey(String pair, String key, String word) {
        BadInput refusal = assertThrows(BadInput.class, () -> set(pair));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(key) && message.contains(word), message);
        assertTrue(!message.contains("org.loupe") && !message.contains("java."), message);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "architecture=gates | architecture | 'gates' | one of relu, p_anneal, topk",
                "latents=0 | latents | 0 | ≥ 1",
                "k=0 | k | 0 | from 1 to latents = 4096",
                "k=5000 | k | 5000 | from 1 to latents = 4096",
                "batch=0 | batch | 0 | ≥ 1",
                "passes=0 | passes | 0.0 | > 0",
                "passes=.inf | passes | Infinity | finite",
                "tokens=-1 | tokens | -1 | ≥ 0",
                "lr=-1 | lr | -1.0 | ≥ 0",
                "lr=.nan | lr | NaN | ≥ 0",
                "lr=.inf | lr | Infinity | finite",
                "threads=-1 | threads | -1 | ≥ 0",
                "checkpoint_seconds=0 | checkpoint_seconds | 0.0 | > 0",
                "optimizer.beta1=1 | optimizer.beta1 | 1.0 | in [0, 1)",
                "optimizer.beta2=-0.1 | optimizer.beta2 | -0.1 | in [0, 1)",
                "optimizer.epsilon=0 | optimizer.epsilon | 0.0 | > 0",
                "optimizer.clip=-1 | optimizer.clip | -1.0 | ≥ 0",
                "optimizer.warmup=1.5 | optimizer.warmup | 1.5 | in [0, 1]",
                "optimizer.decay=-1 | optimizer.decay | -1.0 | in [0, 1]",
                "auxk.weight=-1 | auxk.weight | -1.0 | ≥ 0",
                "auxk.k=-1 | auxk.k | -1 | ≥ 0",
                "auxk.dead_after=-1 | auxk.dead_after | -1 | ≥ 0",
                "resample.every=2 | resample.every | 2.0 | in [0, 1]",
                "resample.until=-1 | resample.until | -1.0 | in [0, 1]",
                "resample.scale=0 | resample.scale | 0.0 | > 0",
                "revive.bias=-1 | revive.bias | -1.0 | ≥ 0",
                "input.whiten=half | input.whiten | 'half' | one of none, parts, full",
                "input.whiten_floor=0 | input.whiten_floor | 0.0 | > 0",
                "input.buffer=0 | input.buffer | 0 | ≥ 1",
                "input.sample=1 | input.sample | 1 | ≥ 2"
            })
    void aValueOutOfRangeIsRefusedWithTheRule(String pair, String key, String value, String rule) {
        BadInput refusal = assertThrows(BadInput.class, () -> set(pair));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(key + ": ") && message.contains(value) && message.contains(rule), message);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "architecture=vq l0=3 | l0: 3.0, expected 1 (or 0) for vq",
                "architecture=residual_vq k=3 | latents: 4096, expected a multiple of the 3 stages of residual_vq",
                "architecture=residual_vq k=4 l0=5 | latents: 4096, expected a multiple of the 5 stages of residual_vq",
                "architecture=vq aligned=true | aligned: true, expected false for vq",
                "architecture=residual_vq loss=norm | loss: norm, expected squared for residual_vq",
                "architecture=dictionary_learning norms=free | norms: free, expected unit for dictionary_learning",
                "architecture=dictionary_learning arch.dictionary.coding=lasso l1=0 | l1: 0.0, expected > 0 for lasso",
                "arch.dictionary.rounds=0 | arch.dictionary.rounds: 0, expected ≥ 1",
                "arch.dictionary.forgetting=-1 | arch.dictionary.forgetting: -1.0, expected ≥ 0",
                "arch.dictionary.coding=omb | 'omb', expected one of omp, lasso",
                "arch.vq.commitment=-1 | arch.vq.commitment: -1.0, expected ≥ 0"
            })
    void classicArchitecturesRefuseWhatTheyCannotDo(String pairs, String rule) {
        BadInput refusal = assertThrows(BadInput.class, () -> set(pairs.split(" ")));
        assertTrue(String.valueOf(refusal.getMessage()).contains(rule), refusal.getMessage());
    }

    @Test
    void vqHasOneLatentARowAndLassoAPenalty() {
        assertEquals(1, set("architecture=vq").wantedL0());
        assertEquals(1, set("architecture=vq", "l0=1").wantedL0());
        assertEquals(8, set("architecture=residual_vq", "k=8").wantedL0());
        assertEquals(false, set("architecture=dictionary_learning").penalised());
        assertEquals(
                true,
                set("architecture=dictionary_learning", "arch.dictionary.coding=lasso")
                        .penalised());
    }

    @Test
    void aFileThatIsNoConfigurationIsRefusedByName() {
        Map<String, String> rules = Map.of(
                "[1, 2]", "is not a YAML mapping",
                "just text", "is not a YAML mapping",
                "", "is not a YAML mapping",
                "latents: {", "is not valid YAML",
                "optimizer: 5", "'optimizer' is 5, expected a mapping",
                "optimizer:", "'optimizer' has no value",
                "precision:", "'precision' has no value",
                "input:\n  centre: null", "'input.centre' has no value",
                "input:\n  centre: middle", "input.centre: 'middle', expected one of mean, geometric_median",
                "latents: 5\nlatents: 6", "latents");
        rules.forEach((text, rule) -> {
            BadInput refusal = assertThrows(BadInput.class, () -> yaml(text), text);
            String message = String.valueOf(refusal.getMessage());
            assertTrue(message.contains("train.yaml") && message.contains(rule), text + " gives: " + message);
        });
    }

    @Test
    void aMissingFileAndAPairWithoutValueAreRefused() {
        assertThrows(
                BadInput.class, () -> ConfigReader.read(TrainConfig.DEFAULT, folder.resolve("none.yaml"), List.of()));
        assertThrows(BadInput.class, () -> set("latents"));
        assertThrows(BadInput.class, () -> set("=5"));
    }

    @Test
    void everyKeyHasItsDefaultAndASentence() {
        List<ConfigReader.Key> keys = ConfigReader.keys();
        assertTrue(keys.stream().anyMatch(key -> key.name().equals("auxk.dead_after")));
        for (ConfigReader.Key key : keys) {
            assertTrue(key.about().endsWith("."), key + " has no sentence");
            assertEquals(TrainConfig.DEFAULT, set(key.name() + "=" + key.defaultValue()), key.name());
        }
    }

    @Test
    void derivedValuesFollowTheirFormulas() {
        assertEquals(2e-4, set("latents=16384").peakLearningRate(50_000));
        assertEquals(4e-4, set("latents=16384").peakLearningRate(5_000), 1e-12);
        assertEquals(16e-4, set("latents=16384").peakLearningRate(1), 1e-12);
        assertEquals(0.5, set("lr=0.5").peakLearningRate(1));
        assertEquals(7, set("batch=100", "passes=3").steps(250));
        assertEquals(2, set("batch=100", "tokens=299").steps(250));
        assertEquals(1, set("batch=100").steps(3));
        assertEquals(50_000, set("batch=100").deadAfter(10_000));
        assertEquals(100, set("batch=100").deadAfter(1));
        assertEquals(10_000_000, set("batch=4096").deadAfter(1_000_000));
        assertEquals(384, set("k=200").auxiliaryK(768));
        assertEquals(64, set("k=5").auxiliaryK(768));
        assertEquals(1, set("k=5").auxiliaryK(1));
        assertEquals(200, set("l0=100").auxiliaryK(768));
        assertEquals(64, set("architecture=relu", "l0=100").auxiliaryK(768));
    }
}
