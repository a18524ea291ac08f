package org.loupe.causal;

import java.util.Map;
import java.util.SplittableRandom;
import org.loupe.io.Provenance;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;

/** An untrained SAE for the toy model: 96 latents, 8 of them active. */
public final class RandomSae {
    public static final int LATENTS = 96;

    private RandomSae() {}

    /** Random rows, those of the decoder with norm 1.5. */
    public static Sae of(long seed, boolean autoencoder) {
        SplittableRandom random = new SplittableRandom(seed);
        Matrix encoder = Matrix.zeros(LATENTS, 32);
        Matrix decoder = Matrix.zeros(LATENTS, 32);
        float[] bias = new float[32];
        for (int i = 0; i < encoder.data().length; i++) {
            encoder.data()[i] = (float) random.nextDouble(-1, 1);
            decoder.data()[i] = (float) random.nextDouble(-1, 1);
        }
        for (int c = 0; c < 32; c++) {
            bias[c] = (float) random.nextDouble(-0.1, 0.1);
        }
        for (int row = 0; row < LATENTS; row++) {
            double square = 0;
            for (int c = 0; c < 32; c++) {
                square += decoder.at(row, c) * decoder.at(row, c);
            }
            for (int c = 0; c < 32; c++) {
                decoder.data()[decoder.offset(row) + c] *= (float) (1.5 / Math.sqrt(square));
            }
        }
        return new Sae(encoder, new float[LATENTS], decoder, bias, new Activation.TopK(8), autoencoder);
    }

    public static SaeFolder.Loaded loaded(LanguageModel model, Sae sae, HookPoint in, HookPoint out) {
        Provenance provenance = Provenance.here("toy", model.info().sha256(), "a", in.toString(), 5);
        return new SaeFolder.Loaded(sae, new SaeInfo(provenance, in.toString(), out.toString(), Map.of(), Map.of()));
    }
}
