package org.loupe.trace;

import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.Activation;
import org.loupe.sae.RowScore;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;

/** SAEs of random rows for the toy model. */
final class ToySaes {
    static final int LATENTS = 64;
    static final int WIDTH = 32;

    private ToySaes() {}

    static Sae autoencoder(long seed) {
        return random(seed, true, null, null);
    }

    static Sae scored(long seed) {
        return random(seed, true, null, new RowScore(0.25f, 2));
    }

    static Sae skipTranscoder(long seed) {
        return random(seed, false, matrix(new SplittableRandom(seed + 100), WIDTH, 0.3), null);
    }

    private static Sae random(long seed, boolean autoencoder, @Nullable Matrix skip, @Nullable RowScore score) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] encoderBias = matrix(random, LATENTS, 0.2).columns(0, 1).data();
        float[] decoderBias = matrix(random, 1, 0.2).data();
        return new Sae(
                matrix(random, LATENTS, 1),
                encoderBias,
                matrix(random, LATENTS, 0.4),
                decoderBias,
                new Activation.TopK(6),
                autoencoder,
                skip,
                score);
    }

    private static Matrix matrix(SplittableRandom random, int rows, double size) {
        Matrix out = Matrix.zeros(rows, WIDTH);
        for (int i = 0; i < out.data().length; i++) {
            out.data()[i] = (float) random.nextDouble(-size, size);
        }
        return out;
    }

    static SaeFolder.Loaded at(Sae sae, HookPoint in, HookPoint out, LanguageModel model) {
        return at(sae, in.toString(), out.toString(), model.info().sha256());
    }

    static SaeFolder.Loaded at(Sae sae, String in, String out, String sha256) {
        Provenance provenance = Provenance.here("toy", sha256, "a", in, 5);
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance, in, out, Map.of(), Map.of()));
    }
}
