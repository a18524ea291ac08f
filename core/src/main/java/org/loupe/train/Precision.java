package org.loupe.train;

import java.util.Optional;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.LowPrecisionProduct.Numbers;

/**
 * Arithmetic of the encoder's product, which only proposes: winners, values, gradients and updates are f32 in all of them, and the
 * same to the bit. Where the processor or the class path offers no such product, f32.
 */
public enum Precision {
    /** f32, pure Java. */
    F32,
    /** {@link Numbers#BF16}. */
    BF16,
    /** {@link Numbers#INT8}. */
    INT8,
    /** The fastest that there is: int8, or else bf16. */
    FAST;

    /** The product for an encoder of this shape, if there is one. */
    LowPrecisionProduct.Offer product(int latents, int d, int workers) {
        return switch (this) {
            case F32 -> LowPrecisionProduct.Offer.none("");
            case BF16 -> LowPrecisionProduct.find(Optional.of(Numbers.BF16), latents, d, workers);
            case INT8 -> LowPrecisionProduct.find(Optional.of(Numbers.INT8), latents, d, workers);
            case FAST -> LowPrecisionProduct.find(Optional.empty(), latents, d, workers);
        };
    }
}
