package org.loupe.sae;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.ServiceLoader;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * A product of rows with an encoder whose inputs are rounded to a short format and whose sums are f32: fast enough to propose
 * candidates, with a known bound on its error. Core has no native code, so implementations are found at run time.
 *
 * <p>After {@link #weights}, each worker fills its own {@link #input} and multiplies it with slice after
 * slice of the latents.
 */
public interface LowPrecisionProduct extends AutoCloseable {
    /** Rows of one input. */
    int rows();

    /** Latents of one slice; the last slice has what is left. */
    int sliceLatents();

    /** Rounding a number x of the input or the weights moves it by at most this times |x|. */
    float unitError();

    /** One line for people. */
    String describe();

    /** Rounds the encoder [latents × d]; holds until the next call. Called by no worker, uses all of them. */
    void weights(Matrix w, Workers workers);

    /** The worker's input, [rows × d] bf16, which the caller rounds to nearest even. */
    MemorySegment input(int worker);

    /** [rows × latents of the slice] f32, valid until the worker's next call. */
    MemorySegment multiply(int worker, int slice);

    @Override
    void close();

    /** Opens products; found with {@link ServiceLoader}. */
    interface Provider {
        /** A product for this shape, or why this machine has none. */
        Offer open(int latents, int d, int workers);
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

    /** The first product that a provider on the class path offers, or all the reasons why there is none. */
    static Offer find(int latents, int d, int workers) {
        StringBuilder reasons = new StringBuilder();
        for (Provider provider : ServiceLoader.load(Provider.class)) {
            Offer offer = provider.open(latents, d, workers);
            if (offer.product().isPresent()) {
                return offer;
            }
            reasons.append(reasons.isEmpty() ? "" : "; ").append(offer.reason());
        }
        return Offer.none(reasons.isEmpty() ? "no native product on the class path" : reasons.toString());
    }
}
