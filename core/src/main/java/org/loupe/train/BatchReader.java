package org.loupe.train;

import org.jspecify.annotations.Nullable;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** Brings rows from a store into a batch: scaled, the inputs without the encoder's bias, targets and gradients apart. */
final class BatchReader {
    private static final int CHUNK = 64;

    private final RowMapper inputs;
    private final RowMapper targets;
    private final @Nullable RowGradients gradients;
    private final Workers workers;

    BatchReader(DataStatistics statistics, boolean gradients, Kernels kernels, Workers workers) {
        this.inputs = new RowMapper(statistics.inputs().map(), kernels);
        this.targets = new RowMapper(statistics.targets().map(), kernels);
        this.gradients = gradients ? new RowGradients(statistics.gradientScale(), kernels) : null;
        this.workers = workers;
    }

    /** @param rows [batch × (dIn + a transcoder's dOut + dIn of gradients, where they are read)], raw */
    void read(Matrix rows, Sae sae, Batch batch) {
        int dIn = sae.dIn();
        int dOut = sae.subtractDecoderBias() ? 0 : sae.dOut();
        float[] subtracted = sae.subtractDecoderBias() ? sae.decoderBias() : new float[dIn];
        workers.forEach(batch.rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                int at = rows.offset(r);
                inputs.apply(rows.data(), at, batch.x.data(), r * dIn);
                for (int c = 0; c < dIn; c++) {
                    batch.inputs.data()[r * dIn + c] = batch.x.data()[r * dIn + c] - subtracted[c];
                }
                if (dOut > 0) {
                    targets.apply(rows.data(), at + dIn, batch.target.data(), r * dOut);
                }
                if (gradients != null) {
                    gradients.apply(rows.data(), at + dIn + dOut, batch.modelGradient.data(), r * dIn, dIn);
                }
            }
        });
    }
}
