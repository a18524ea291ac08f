package org.loupe.causal;

import java.util.List;
import java.util.stream.IntStream;
import org.loupe.harvest.RowNorms;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * Which places of a batch a splice touches and which it is judged by, as indices of {@link TokenBatch#ids}. A row without
 * segments is one document after a prefix of one token.
 */
public final class Positions {
    private Positions() {}

    /**
     * Rows that a harvest would have kept: tokens of documents, not the model's first position, and with a norm within the
     * limit at every hook point. All others are attention sinks or padding and keep their true rows.
     *
     * @param parts the true rows at each hook point, [sequences · length × width]
     * @param normLimits largest norm at each; 0 for no limit
     */
    public static int[] replaced(TokenBatch batch, List<Matrix> parts, List<Double> normLimits) {
        int[] positions = batch.positions();
        return IntStream.range(0, batch.size())
                .filter(i -> isDocument(batch, i) && positions[i] > 0 && RowNorms.isWithin(parts, i, normLimits))
                .toArray();
    }

    /** Whether a place holds a token of a document: neither prefix nor padding. */
    static boolean isDocument(TokenBatch batch, int index) {
        return batch.document(index) > 0;
    }

    /** Some rows, in the order given. */
    public static Matrix gather(Matrix x, int[] rows) {
        Matrix out = Matrix.zeros(rows.length, x.cols());
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(x.data(), x.offset(rows[i]), out.data(), out.offset(i), x.cols());
        }
        return out;
    }
}
