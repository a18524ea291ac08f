package org.loupe.train;

import java.util.LinkedHashMap;
import java.util.Map;
import org.loupe.sae.Activation;
import org.loupe.sae.LassoCoding;
import org.loupe.sae.LatentSearch;
import org.loupe.sae.OrthogonalPursuit;
import org.loupe.sae.Sae;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * Online dictionary learning (Mairal, Bach, Ponce &amp; Sapiro 2009, algorithm 1): each batch is coded by OMP or LASSO on the dictionary as it
 * is, then the dictionary is fitted to all codes so far ({@link DictionaryFit}). Nothing is descended by gradients.
 */
final class DictionaryCoder implements Coder {
    private final TrainConfig config;
    private final KSchedule schedule;
    private final OrthogonalPursuit pursuit;
    private final LassoCoding lasso;
    private final Kernels kernels;
    private final DictionaryFit fit;

    /** λ of the last step. */
    private final float[] penalty;

    DictionaryCoder(TrainConfig config, Sae sae, float[] centre, Kernels kernels, Workers workers) {
        this.config = config;
        this.schedule = KSchedule.of(config);
        LatentSearch search = new LatentSearch(kernels, workers);
        this.pursuit = new OrthogonalPursuit(search, kernels, workers);
        this.lasso = new LassoCoding(search, kernels, workers);
        this.kernels = kernels;
        this.fit = new DictionaryFit(sae.latents(), centre, kernels, workers);
        this.penalty = new float[] {(float) config.l1()};
    }

    @Override
    public void penalty(double coefficient) {
        penalty[0] = (float) coefficient;
    }

    @Override
    public void code(Batch batch, Sae sae, double progress, double wanted) {
        if (progress == 0) {
            RowPicks picks = RowPicks.of(config.seed(), 0, batch.rows);
            for (int i = 0; i < sae.latents(); i++) {
                place(batch, sae, i, picks.row(i));
            }
        }
        ArchitectureConfig.Dictionary own = config.arch().dictionary();
        switch (own.coding()) {
            case OMP ->
                pursuit.code(
                        batch.centred(),
                        sae.decoder(),
                        schedule.whole(config.wantedL0(), progress),
                        own.signed(),
                        batch.active);
            case LASSO ->
                lasso.code(batch.centred(), sae.decoder(), penalty[0], own.signed(), own.rounds(), batch.active);
        }
        batch.linear();
    }

    /** Puts an atom on a row of the batch, at unit norm; a row that is zero changes nothing. */
    private void place(Batch batch, Sae sae, int atom, int row) {
        int d = sae.dIn();
        float[] rows = batch.inputs.data();
        double norm = Math.sqrt(kernels.dot(rows, row * d, rows, row * d, d));
        if (norm > 0) {
            System.arraycopy(rows, row * d, sae.decoder().data(), atom * d, d);
            kernels.scale((float) (1 / norm), sae.decoder().data(), atom * d, d);
        }
    }

    /** There are none. */
    @Override
    public void slopes(Batch batch, Matrix dictionary, SparseRows sparse) {}

    @Override
    public double backward(Batch batch, Sae sae, double coefficient) {
        double sum = 0;
        for (int e = 0; e < batch.active.entries(); e++) {
            sum += Math.abs(batch.f[e]);
        }
        return batch.factor * coefficient * sum;
    }

    @Override
    public boolean learn(Batch batch, EntriesByLatent entries, Sae sae, long step) {
        fit.observe(batch, entries, sae, keep(step, batch.rows));
        fit.solve(sae);
        return true;
    }

    /** β of step t ≥ 1 with η rows a batch: ((θ + 1 − η) / (θ + 1))^ρ, θ = tη where t &lt; η, else η² + t − η (ibid., §3.4). */
    private double keep(long t, int eta) {
        double theta = t < eta ? (double) t * eta : (double) eta * eta + t - eta;
        return Math.pow(
                (theta + 1 - eta) / (theta + 1), config.arch().dictionary().forgetting());
    }

    @Override
    public boolean move(int[] unused, Batch batch, Sae sae, long step) {
        boolean moves = config.arch().dictionary().restart();
        RowPicks picks = RowPicks.of(config.seed(), step, batch.rows);
        for (int n = 0; moves && n < unused.length; n++) {
            place(batch, sae, unused[n], picks.row(n));
            fit.forget(unused[n]);
        }
        return moves;
    }

    @Override
    public Activation activation(Sae sae) {
        return sae.activation() instanceof Activation.Lasso l
                ? new Activation.Lasso(penalty[0], l.signed(), l.rounds())
                : sae.activation();
    }

    @Override
    public Map<String, float[]> state() {
        Map<String, float[]> state = new LinkedHashMap<>(fit.state());
        state.put("penalty", penalty);
        return state;
    }
}
