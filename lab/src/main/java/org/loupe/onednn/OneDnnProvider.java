package org.loupe.onednn;

import java.util.Locale;
import java.util.Optional;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.sae.LowPrecisionProduct.Numbers;
import org.loupe.tensor.Kernels;

/** Offers the products that the processor has instructions for; elsewhere oneDNN would emulate them, slower than f32. */
public final class OneDnnProvider implements LowPrecisionProduct.Provider {
    @Override
    public LowPrecisionProduct.Offer open(Optional<Numbers> asked, int latents, int d, int workers) {
        String platform = System.getProperty("os.name", "") + " " + System.getProperty("os.arch", "");
        if (!platform.toLowerCase(Locale.ROOT).equals("linux amd64")) {
            return LowPrecisionProduct.Offer.none("oneDNN comes for Linux on x86-64, this is " + platform);
        }
        OneDnn dnn = OneDnn.instance();
        Numbers numbers = asked.orElse(dnn.hasInt8() ? Numbers.INT8 : Numbers.BF16);
        boolean has = switch (numbers) {
            case BF16 -> dnn.hasBf16();
            case INT8 -> dnn.hasInt8();
        };
        if (!has) {
            return LowPrecisionProduct.Offer.none("this processor has no "
                    + switch (numbers) {
                        case BF16 -> "bf16 dot products (AVX-512 BF16)";
                        case INT8 -> "dot products of bytes (VNNI)";
                    });
        }
        int slices = OneDnnProduct.slices(latents);
        Rounding rounding = switch (numbers) {
            case BF16 -> new Bf16(Kernels.BEST, d, slices, workers);
            case INT8 -> new Int8(Kernels.BEST, d, slices, workers);
        };
        return LowPrecisionProduct.Offer.of(new OneDnnProduct(dnn, rounding, latents, workers));
    }
}
