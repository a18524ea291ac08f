package org.loupe.causal;

/**
 * Sums over the firings of each latent, added up sequence by sequence: a sequence of packed documents is the unit that errors are
 * counted by, as firings in one text depend on each other.
 */
final class FiringSums {
    /** Bands of a latent's own activations: quarters of its firings, weakest first. */
    static final int BANDS = 4;

    final long[] count;
    final long[] positive;
    final double[] effect;
    final double[] absolute;
    /** Σ f²‖d‖². */
    final double[] energy;

    /** Σ |f|. */
    final double[] mass;

    final double[][] bandAbsolute;
    final double[][] bandEnergy;
    final long[][] bandCount;

    // Σ over sequences of |a|², |a| E and E², with |a| and E a sequence's sums: for the error of Σ|a| / ΣE.
    private final double[] absoluteSquared;
    private final double[] absoluteEnergy;
    private final double[] energySquared;

    private final double[] ownAbsolute;
    private final double[] ownEnergy;
    private final int[] touched;
    private int touchedCount;
    private int sequences;

    FiringSums(int latents) {
        count = new long[latents];
        positive = new long[latents];
        effect = new double[latents];
        absolute = new double[latents];
        energy = new double[latents];
        mass = new double[latents];
        bandAbsolute = new double[BANDS][latents];
        bandEnergy = new double[BANDS][latents];
        bandCount = new long[BANDS][latents];
        absoluteSquared = new double[latents];
        absoluteEnergy = new double[latents];
        energySquared = new double[latents];
        ownAbsolute = new double[latents];
        ownEnergy = new double[latents];
        touched = new int[latents];
    }

    /**
     * Adds a batch.
     *
     * @param length tokens of a sequence
     * @param squares ‖d‖² of each latent's dictionary row
     * @param bands upper ends of the three weaker bands of each latent
     */
    void add(Firings firings, int length, float[] squares, float[][] bands) {
        int sequence = -1;
        for (int i = 0; i < firings.count(); i++) {
            if (firings.row()[i] / length != sequence) {
                close();
                sequence = firings.row()[i] / length;
                sequences++;
            }
            add(firings.latent()[i], firings.activation()[i], firings.effect()[i], squares, bands);
        }
        close();
    }

    private void add(int latent, float activation, double a, float[] squares, float[][] bands) {
        if (ownEnergy[latent] == 0) {
            touched[touchedCount++] = latent;
        }
        double e = (double) activation * activation * squares[latent];
        int band = band(Math.abs(activation), bands[latent]);
        count[latent]++;
        positive[latent] += a > 0 ? 1 : 0;
        effect[latent] += a;
        absolute[latent] += Math.abs(a);
        energy[latent] += e;
        mass[latent] += Math.abs(activation);
        bandAbsolute[band][latent] += Math.abs(a);
        bandEnergy[band][latent] += e;
        bandCount[band][latent]++;
        ownAbsolute[latent] += Math.abs(a);
        ownEnergy[latent] += e;
    }

    /** The band of an activation by its size. */
    static int band(float size, float[] ends) {
        int band = 0;
        while (band < BANDS - 1 && size > ends[band]) {
            band++;
        }
        return band;
    }

    private void close() {
        for (int t = 0; t < touchedCount; t++) {
            int latent = touched[t];
            absoluteSquared[latent] += ownAbsolute[latent] * ownAbsolute[latent];
            absoluteEnergy[latent] += ownAbsolute[latent] * ownEnergy[latent];
            energySquared[latent] += ownEnergy[latent] * ownEnergy[latent];
            ownAbsolute[latent] = 0;
            ownEnergy[latent] = 0;
        }
        touchedCount = 0;
    }

    /** Σ|a| / ΣE, nats a unit of energy; NaN where it never fires. */
    double perEnergy(int latent) {
        return absolute[latent] / energy[latent];
    }

    /** Standard error of {@link #perEnergy}, as of a ratio over sequences (Cochran, Sampling Techniques, 3rd ed., §6.4). */
    double perEnergyError(int latent) {
        double ratio = perEnergy(latent);
        double rest =
                absoluteSquared[latent] - 2 * ratio * absoluteEnergy[latent] + ratio * ratio * energySquared[latent];
        double n = sequences;
        return n < 2 ? Double.NaN : Math.sqrt(Math.max(0, rest) * n / (n - 1)) / energy[latent];
    }
}
