package org.loupe.experiment.question;

import org.loupe.activations.RowSource;
import org.loupe.eval.LatentMetrics;
import org.loupe.sae.Encoder;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** How an SAE's latents are used on rows. */
final class Usage {
    private static final int BATCH = 2048;

    private Usage() {}

    /** @param most rows, from the first on */
    static LatentMetrics of(Sae sae, RowSource source, long most, Workers workers) {
        LatentMetrics usage = new LatentMetrics(sae.latents());
        Encoder encoder = new Encoder(sae, workers);
        Matrix x = Matrix.zeros(BATCH, source.width());
        long rows = Math.min(most, source.rows());
        for (long first = 0; first < rows; first += BATCH) {
            int count = (int) Math.min(BATCH, rows - first);
            source.read(first, count, x, 0);
            usage.add(encoder.encode(x.head(count)));
        }
        return usage;
    }
}
