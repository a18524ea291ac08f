package org.loupe.lm;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Rows of token ids.
 *
 * <p>Segments say which tokens see which. With {@code segments == null} every row is one causal text. Otherwise there is one
 * number a token: −1 padding, 0 the row's shared prefix (its first tokens, such as a beginning-of-text token), s ≥ 1 the row's
 * s-th document. Token i attends to token j iff j ≤ i, neither is padding, and j is of the same document or of the prefix;
 * rotary positions restart after the prefix for each document. So the rows of a document are exactly what the model gives for
 * [prefix, document] alone. Rows at padding are finite but mean nothing.
 *
 * @param ids row-major {@code [sequences × length]}
 * @param sequences number of rows
 * @param length tokens in a row
 * @param segments row-major {@code [sequences × length]}, or null for ordinary causal rows
 */
public record TokenBatch(int[] ids, int sequences, int length, int @Nullable [] segments) {
    public TokenBatch {
        if (sequences < 1 || length < 1 || ids.length != (long) sequences * length) {
            throw new IllegalArgumentException(
                    "token batch: " + sequences + " sequences × " + length + " tokens are not " + ids.length + " ids");
        }
        if (segments != null) {
            requireSegments(segments, sequences, length);
        }
    }

    /** Ordinary causal rows, none of them padded. */
    public static TokenBatch causal(int[] ids, int sequences, int length) {
        return new TokenBatch(ids, sequences, length, null);
    }

    /** Rows of any lengths ≥ 1, padded on the right with id 0. */
    public static TokenBatch of(int[]... rows) {
        int length = Arrays.stream(rows).mapToInt(row -> row.length).max().orElse(0);
        int[] ids = new int[rows.length * length];
        int[] segments = new int[rows.length * length];
        boolean padded = false;
        for (int r = 0; r < rows.length; r++) {
            System.arraycopy(rows[r], 0, ids, r * length, rows[r].length);
            Arrays.fill(segments, r * length + rows[r].length, (r + 1) * length, -1);
            padded |= rows[r].length < length;
        }
        return new TokenBatch(ids, rows.length, length, padded ? segments : null);
    }

    /** Number of tokens, padding included. */
    public int size() {
        return ids.length;
    }

    /** Rotary position of every token: its index in [prefix, document]; 0 for padding. */
    public int[] positions() {
        int[] positions = new int[ids.length];
        for (int row = 0; row < sequences; row++) {
            int prefix = 0;
            int start = 0; // index in the row of the current document's first token
            for (int i = 0; i < length; i++) {
                int at = row * length + i;
                int segment = segments == null ? 0 : segments[at];
                if (segment == 0) {
                    prefix = i + 1;
                    positions[at] = i;
                } else if (segment > 0) {
                    if (i == 0 || (segments != null && segments[at - 1] != segment)) {
                        start = i;
                    }
                    positions[at] = prefix + i - start;
                }
            }
        }
        return positions;
    }

    /**
     * Places whose next token is of the same document, as indices of {@link #ids}: what a place i among them predicts is {@code
     * ids[i + 1]}. A row without segments is one document after a prefix of one token.
     */
    public int[] predicting() {
        return IntStream.range(0, size())
                .filter(i -> i % length < length - 1 && document(i) > 0 && document(i) == document(i + 1))
                .toArray();
    }

    /** Number of the document at an index of {@link #ids}, from 1 on; 0 for the prefix, −1 for padding. */
    public int document(int index) {
        return segments == null ? (index % length == 0 ? 0 : 1) : segments[index];
    }

    /** Whether token i attends to an earlier token j of its row, both as indices of {@link #ids}. */
    boolean sees(int i, int j) {
        return segments == null || (segments[i] >= 0 && (segments[j] == 0 || segments[j] == segments[i]));
    }

    /** Rows [first, first + count) as a batch of their own. */
    public TokenBatch rows(int first, int count) {
        int from = first * length;
        int to = (first + count) * length;
        return new TokenBatch(
                Arrays.copyOfRange(ids, from, to),
                count,
                length,
                segments == null ? null : Arrays.copyOfRange(segments, from, to));
    }

    /** Whether plain causal attention gives every real token what it should see: no documents, padding only on the right. */
    boolean isCausal() {
        return segments == null || Arrays.stream(segments).allMatch(segment -> segment <= 0);
    }

    private static void requireSegments(int[] segments, int sequences, int length) {
        if (segments.length != sequences * length) {
            throw new IllegalArgumentException("token batch: " + segments.length + " segments for " + sequences
                    + " sequences × " + length + " tokens");
        }
        for (int row = 0; row < sequences; row++) {
            int previous = 0; // 0: still in the prefix; MAX_VALUE: in the padding
            for (int i = 0; i < length; i++) {
                int segment = segments[row * length + i];
                int rank = segment < 0 ? Integer.MAX_VALUE : segment;
                if (segment < -1 || rank < previous) {
                    throw new IllegalArgumentException(
                            "token batch: segment " + segment + " at row " + row + " token " + i
                                    + "; a row holds its prefix (0), its documents in order (1, 2, ...), then padding (-1)");
                }
                previous = rank;
            }
        }
    }
}
