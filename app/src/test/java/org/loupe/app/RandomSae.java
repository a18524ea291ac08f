package org.loupe.app;

import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;

/** An SAE of random directions for block 11 of the default model: 8 latents, 4 of them active. */
final class RandomSae {
    private static final int WIDTH = 576;
    private static final int LATENTS = 8;

    private RandomSae() {}

    static void write(Path folder) {
        SplittableRandom random = new SplittableRandom(4);
        Matrix rows = Matrix.zeros(LATENTS, WIDTH);
        for (int i = 0; i < rows.data().length; i++) {
            rows.data()[i] = (float) (random.nextDouble(-1, 1) * Math.sqrt(3.0 / WIDTH));
        }
        Sae sae = new Sae(rows, new float[LATENTS], rows, new float[WIDTH], new Activation.TopK(4), true);
        String hook = "blocks.11.hook_resid_post";
        Provenance made = Provenance.here("smollm2", "", "text", hook, 0);
        SaeFolder.save(folder, sae, new SaeInfo(made, hook, hook, Map.of(), Map.of()));
    }
}
