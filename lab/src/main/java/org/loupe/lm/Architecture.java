package org.loupe.lm;

import java.nio.file.Path;
import org.loupe.io.BadInput;

/**
 * The sizes and constants of a transformer.
 *
 * @param family name of its {@link Family}
 * @param context longest row
 * @param normEpsilon added to the mean square in RMSNorm
 * @param ropeBase base of the rotary frequencies: pair j of a head turns by position · base^(−2j / head width)
 * @param tied whether the unembedding is the embedding
 */
record Architecture(
        String family,
        int layers,
        int width,
        int heads,
        int kvHeads,
        int headWidth,
        int mlpWidth,
        int vocabulary,
        int context,
        double normEpsilon,
        double ropeBase,
        boolean tied) {

    /** Throws unless the sizes make a transformer. */
    Architecture check(Path file) {
        positive(file, "layers", layers);
        positive(file, "width", width);
        positive(file, "heads", heads);
        positive(file, "key/value heads", kvHeads);
        positive(file, "head width", headWidth);
        positive(file, "MLP width", mlpWidth);
        positive(file, "vocabulary", vocabulary);
        positive(file, "context", context);
        if (heads % kvHeads != 0) {
            throw BadInput.in(file, heads + " heads are not a multiple of " + kvHeads + " key/value heads");
        }
        if (headWidth % 2 != 0) {
            throw BadInput.in(file, "head width " + headWidth + " is odd; rotary embeddings turn pairs");
        }
        if (!(normEpsilon >= 0 && normEpsilon < 1) || !(ropeBase > 0 && ropeBase < 1e12)) {
            throw BadInput.in(file, "norm epsilon " + normEpsilon + " or rope base " + ropeBase + " is out of range");
        }
        return this;
    }

    private static void positive(Path file, String what, int value) {
        if (value < 1 || value > 1 << 28) {
            throw BadInput.in(file, what + " is " + value + ", expected between 1 and " + (1 << 28));
        }
    }

    /** Shape of a weight, {@code [out, in]} or {@code [width]}. */
    long[] shape(Weight weight) {
        return switch (weight) {
            case EMBED, UNEMBED -> new long[] {vocabulary, width};
            case ATTENTION_NORM, MLP_NORM, FINAL_NORM -> new long[] {width};
            case QUERY -> new long[] {(long) heads * headWidth, width};
            case KEY, VALUE -> new long[] {(long) kvHeads * headWidth, width};
            case ATTENTION_OUT -> new long[] {width, (long) heads * headWidth};
            case GATE, UP -> new long[] {mlpWidth, width};
            case DOWN -> new long[] {width, mlpWidth};
        };
    }
}
