package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.loupe.io.BadInput;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** What a training starts from is, folded again without a step, the SAE that was given. */
class StartFromTest {
    private static final int D = 12;

    private static Matrix rows(long seed, int count, double scale) {
        SplittableRandom random = new SplittableRandom(seed);
        Matrix rows = Matrix.zeros(count, D);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] = (float) (scale * (random.nextGaussian() + i % D % 3));
        }
        return rows;
    }

    private static TrainConfig config(List<String> set) {
        List<String> all = new ArrayList<>(set);
        all.addAll(List.of("batch=64", "threads=2"));
        return ConfigReader.read(TrainConfig.DEFAULT, null, all);
    }

    private static Sae trained(TrainConfig config, Workers workers) {
        try (Trainer trainer = new Trainer(config, rows(1, 256, 7), 0, 30, workers)) {
            for (int step = 0; step < 30; step++) {
                trainer.step(rows(100 + step, 64, 7));
            }
            return trainer.result();
        }
    }

    private static SaeFolder.Loaded loaded(Sae sae, Map<String, Object> training) {
        return new SaeFolder.Loaded(sae, new SaeInfo(Provenance.here("", "", "", "", 0), "a", "a", training, Map.of()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "architecture=topk",
                "architecture=abstopk",
                "architecture=batchtopk",
                "architecture=relu",
                "architecture=jumprelu",
                "architecture=gated"
            })
    void nothingIsLostOnTheWayInAndOut(String architecture) {
        try (Workers workers = new Workers(2)) {
            TrainConfig config = config(List.of(architecture, "latents=32", "k=4", "lr=0.01"));
            Sae raw = trained(config, workers);
            List<String> settings = StartFrom.settings(loaded(raw, ConfigReader.toMap(config)));
            assertTrue(settings.contains(architecture) && settings.contains("latents=32"), settings.toString());
            List<String> centred = new ArrayList<>(settings);
            centred.add("input.centre_rows=true");
            for (List<String> set : List.of(settings, centred)) {
                try (Trainer again = new Trainer(config(set), rows(2, 256, 3), 0, 10, workers)) {
                    again.startFrom(raw);
                    Sae back = again.result();
                    assertArrayEquals(raw.encoder().data(), back.encoder().data(), 1e-5f);
                    assertArrayEquals(raw.decoder().data(), back.decoder().data(), 1e-5f);
                    assertArrayEquals(raw.encoderBias(), back.encoderBias(), 1e-5f);
                    assertArrayEquals(raw.decoderBias(), back.decoderBias(), 2e-5f);
                    if (raw.activation() instanceof Activation.JumpRelu jump
                            && config.architecture() == Architecture.JUMPRELU) {
                        assertArrayEquals(
                                jump.threshold(), ((Activation.JumpRelu) back.activation()).threshold(), 1e-5f);
                    }
                    if (raw.activation() instanceof Activation.Gated gated) {
                        Activation.Gated own = (Activation.Gated) back.activation();
                        assertArrayEquals(gated.logScale(), own.logScale(), 1e-5f);
                        assertArrayEquals(gated.magnitudeBias(), own.magnitudeBias(), 1e-5f);
                    }
                    again.step(rows(500, 64, 7)); // and it can be trained on
                }
            }
        }
    }

    @Test
    void anSaeFromElsewhereSaysWhatItIsByItsActivation() {
        try (Workers workers = new Workers(1)) {
            Sae raw = trained(config(List.of("architecture=topk", "latents=32", "k=4")), workers);
            TrainConfig config =
                    ConfigReader.read(TrainConfig.DEFAULT, null, StartFrom.settings(loaded(raw, Map.of())));
            assertEquals(Architecture.TOPK, config.architecture());
            assertEquals(4, config.k());
            assertEquals(32, config.latents());
            assertEquals(3e-4, config.lr());
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (Workers workers = new Workers(1)) {
            Sae raw = trained(config(List.of("architecture=topk", "latents=32", "k=4")), workers);
            refused("has 32 latents", raw, List.of("latents=16", "k=4"), workers);
            refused("has TopK, this architecture Relu", raw, List.of("latents=32", "architecture=relu"), workers);
            for (int c = 0; c < D; c++) {
                raw.decoder().data()[5 * D + c] *= 1.5f;
            }
            refused("dictionary row 5", raw, List.of("latents=32", "k=4"), workers);
        }
    }

    private static void refused(String says, Sae raw, List<String> set, Workers workers) {
        try (Trainer trainer = new Trainer(config(set), rows(2, 256, 3), 0, 10, workers)) {
            String message =
                    assertThrows(BadInput.class, () -> trainer.startFrom(raw)).getMessage();
            assertTrue(message != null && message.contains(says), message);
        }
    }
}
