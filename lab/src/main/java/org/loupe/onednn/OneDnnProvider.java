package org.loupe.onednn;

import java.util.Locale;
import org.loupe.sae.LowPrecisionProduct;

/** Offers the bf16 product where the processor has bf16 dot products; elsewhere oneDNN would emulate them, slower than f32. */
public final class OneDnnProvider implements LowPrecisionProduct.Provider {
    @Override
    public LowPrecisionProduct.Offer open(int latents, int d, int workers) {
        String platform = System.getProperty("os.name", "") + " " + System.getProperty("os.arch", "");
        if (!platform.toLowerCase(Locale.ROOT).equals("linux amd64")) {
            return LowPrecisionProduct.Offer.none("oneDNN comes for Linux on x86-64, this is " + platform);
        }
        OneDnn dnn = OneDnn.instance();
        if (!dnn.hasBf16()) {
            return LowPrecisionProduct.Offer.none("this processor has no bf16 dot products (AVX-512 BF16)");
        }
        return LowPrecisionProduct.Offer.of(new OneDnnProduct(dnn, latents, d, workers));
    }
}
