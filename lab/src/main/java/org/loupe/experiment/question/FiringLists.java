package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.loupe.activations.RowSource;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * All activations of each latent, in memory: 8 bytes each.
 *
 * @param row on which a latent fires, ascending, [m][its firings]
 * @param value its activation there
 */
record FiringLists(int[][] row, float[][] value) {
    private static final int BATCH = 4096;

    static FiringLists of(Sae sae, RowSource source, Workers workers) {
        int m = sae.latents();
        int[] count = new int[m];
        int[][] row = IntStream.range(0, m).mapToObj(_ -> new int[16]).toArray(int[][]::new);
        float[][] value = IntStream.range(0, m).mapToObj(_ -> new float[16]).toArray(float[][]::new);
        Encoder encoder = new Encoder(sae, workers);
        Matrix x = Matrix.zeros(BATCH, sae.dIn());
        for (long first = 0; first < source.rows(); first += BATCH) {
            int rows = (int) Math.min(BATCH, source.rows() - first);
            source.read(first, rows, x, 0);
            Latents f = encoder.encode(x.head(rows));
            for (int r = 0; r < rows; r++) {
                for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                    int i = f.index()[e];
                    if (count[i] == row[i].length) {
                        row[i] = Arrays.copyOf(row[i], 2 * count[i]);
                        value[i] = Arrays.copyOf(value[i], 2 * count[i]);
                    }
                    row[i][count[i]] = Math.toIntExact(first + r);
                    value[i][count[i]++] = f.value()[e];
                }
            }
        }
        for (int i = 0; i < m; i++) {
            row[i] = Arrays.copyOf(row[i], count[i]);
            value[i] = Arrays.copyOf(value[i], count[i]);
        }
        return new FiringLists(row, value);
    }

    int latents() {
        return row.length;
    }
}
