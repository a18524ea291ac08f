package org.loupe.experiment.question;

import org.loupe.eval.LatentMetrics;
import org.loupe.eval.Metric;
import org.loupe.eval.Reconstruction;
import org.loupe.eval.RowMetrics;
import org.loupe.sae.Decoder;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.SplitMix;
import org.loupe.tensor.Workers;

/** The reconstruction by activations of which some are changed, and how many and how strong these are. */
final class BandEdit implements Reconstruction {
    private final Sae sae;
    private final Rule rule;
    private final Encoder encoder;
    private final Workers workers;
    private final RowMetrics rows;
    private final LatentMetrics usage;
    private long seen;
    private long changed;
    private double energy;
    private double changedEnergy;

    /** What becomes of an activation. */
    @FunctionalInterface
    interface Rule {
        Rule NONE = (row, latent, value) -> value;

        /** @param row number of the row among all that were seen */
        float apply(long row, int latent, float value);

        /** A band is zeroed. */
        static Rule zeroed(Bands bands, int band) {
            return (row, latent, value) -> bands.of(latent, value) == band ? 0 : value;
        }

        /** A band has the mean that its latent has in it. */
        static Rule averaged(Bands bands, int band) {
            return (row, latent, value) -> bands.of(latent, value) == band ? bands.means()[latent][band] : value;
        }

        /** All but a band is zeroed. */
        static Rule alone(Bands bands, int band) {
            return (row, latent, value) -> bands.of(latent, value) == band ? value : 0;
        }

        /** A quarter of all activations, drawn at random, is zeroed. */
        static Rule random(long seed) {
            return (row, latent, value) ->
                    Long.remainderUnsigned(SplitMix.mix(SplitMix.mix(seed, row + 1), latent + 1), Bands.COUNT) == 0
                            ? 0
                            : value;
        }
    }

    BandEdit(Sae sae, Rule rule, Workers workers) {
        this.sae = sae;
        this.rule = rule;
        this.workers = workers;
        this.encoder = new Encoder(sae, workers);
        this.rows = new RowMetrics(sae.dOut());
        this.usage = new LatentMetrics(sae.latents());
    }

    @Override
    public void apply(Matrix x, Matrix out) {
        Latents f = encoder.encode(x);
        float[] values = f.value().clone();
        for (int r = 0; r < f.rows(); r++) {
            for (int e = f.starts()[r]; e < f.starts()[r + 1]; e++) {
                float value = f.value()[e];
                values[e] = rule.apply(rows.rows() + r, f.index()[e], value);
                boolean other = values[e] != value;
                seen++;
                changed += other ? 1 : 0;
                energy += value * value;
                changedEnergy += other ? value * value : 0;
            }
        }
        Latents edited = new Latents(f.starts(), f.index(), values, f.latents());
        Decoder.decode(sae, edited, out, workers);
        rows.add(x, out, workers);
        usage.add(edited);
    }

    double fvu() {
        return rows.fvu();
    }

    double l0() {
        return usage.scores().value(Metric.L0);
    }

    /** Share of the activations that were changed. */
    double share() {
        return (double) changed / seen;
    }

    /** Share of Σ f² that they have. */
    double energyShare() {
        return changedEnergy / energy;
    }
}
