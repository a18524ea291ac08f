package org.loupe.sae;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.ServiceLoader;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A product of rows with an encoder in short numbers: fast enough to propose candidates, with a known bound on its error. Core has
 * no native code, so implementations are found at run time.
 *
 * <p>After {@link #weights}, each worker rounds rows with {@link #rows} and multiplies them with slice after slice of the latents.
 */
public interface LowPrecisionProduct extends AutoCloseable {
    /** Rows multiplied at a time. */
    int rows();

    /** Latents of one slice; the last slice has what is left. */
    int sliceLatents();

    /** One line for people. */
    String describe();

    /**
     * Rounds the encoder; holds until the next call. Called by no worker, uses all of them.
     *
     * @param w [latents × d]
     * @param norm at least the largest |w_j|
     * @param x [rows × d], the rows to come: a product may choose its scales by them
     */
    void weights(Matrix w, float norm, Matrix x, Workers workers);

    /**
     * Rounds rows [from, to) of x into the worker's input. With v(i, j) what {@link #multiply} then gives,
     * |factor[i] v(i, j) − ⟨x_i, w_j⟩| ≤ error[i] for all latents j, the rounding of sums in f32 left aside
     * ({@link RoundingBound#exactInputs} covers it).
     *
     * @param factor [≥ to − from], overwritten
     * @param error [≥ to − from], overwritten
     */
    void rows(int worker, Matrix x, int from, int to, float[] factor, float[] error);

    /** [rows × latents of the slice] f32, valid until the worker's next call. */
    MemorySegment multiply(int worker, int slice);

    @Override
    void close();

    /** Opens products; found with {@link ServiceLoader}. */
    interface Provider {
        /**
         * A product for this shape, or why this machine has none.
         *
         * @param numbers asked for, or empty for the fastest that the processor has
         */
        Offer open(Optional<Numbers> numbers, int latents, int d, int workers);
    }

    /**
     * What a provider answers.
     *
     * @param reason why there is none; empty where there is one
     */
    record Offer(Optional<LowPrecisionProduct> product, String reason) {
        public static Offer of(LowPrecisionProduct product) {
            return new Offer(Optional.of(product), "");
        }

        public static Offer none(String reason) {
            return new Offer(Optional.empty(), reason);
        }
    }

    /** The short numbers of a product. */
    enum Numbers {
        /** 8 significant bits. The bound on the error always holds. */
        BF16,
        /** Whole numbers to 127, rotated and dithered. The bound fails for a pair with a chance below 10⁻¹⁷. */
        INT8
    }

    /** The first product that a provider on the class path offers, or all the reasons why there is none. */
    static Offer find(Optional<Numbers> numbers, int latents, int d, int workers) {
        StringBuilder reasons = new StringBuilder();
        for (Provider provider : ServiceLoader.load(Provider.class)) {
            Offer offer = provider.open(numbers, latents, d, workers);
            if (offer.product().isPresent()) {
                return offer;
            }
            reasons.append(reasons.isEmpty() ? "" : "; ").append(offer.reason());
        }
        return Offer.none(reasons.isEmpty() ? "no native product on the class path" : reasons.toString());
    }
}
